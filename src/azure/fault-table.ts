/**
 * @module
 * Scope of each error code of the storage services. For unknown codes the status decides.
 *
 * @see https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes
 * @see https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
 */

/**
 * Scope of an error.
 *
 * - `moment`: transient; the same request may succeed on retry
 * - `race`: another request was faster; the current state decides
 * - `blob`: this blob, or its part of the request
 * - `container`: the container, for any request
 * - `right`: the app's identity lacks a permission; for this blob, this container or the whole account
 * - `account`: the account, for any request
 */
export type About = "moment" | "race" | "blob" | "container" | "right" | "account";

const CODES: Readonly<Record<About, string>> = {
  moment: `
    InternalError OperationTimedOut ServerBusy SnapshotOperationRateExceeded SystemInUse AccountBeingCreated
    CannotVerifyCopySource`,
  race: `
    BlobNotFound ResourceNotFound ConditionNotMet SourceConditionNotMet TargetConditionNotMet BlobAlreadyExists
    ResourceAlreadyExists BlobOverwritten InvalidBlockList InvalidBlobOrBlock PendingCopyOperation NoPendingCopyOperation
    CopyIdMismatch AppendPositionConditionNotMet MaxBlobSizeConditionNotMet SequenceNumberConditionNotMet
    PreviousSnapshotNotFound PathNotFound PathAlreadyExists`,
  blob: `
    BlobArchived BlobBeingRehydrated BlobNotArchived BlobImmutableDueToLegalHold BlobImmutableDueToPolicy
    BlobUsesCustomerSpecifiedEncryption BlobDoesNotUseCustomerSpecifiedEncryption BlobCustomerSpecifiedEncryptionMismatch
    BlobAccessTierNotSupportedForAccountType BlobTierInadequateForContentLength
    BlobOperationNotSupported BlockCountExceedsLimit BlockListTooLong CannotChangeToLowerTier
    ContentLengthLargerThanTierLimit CopyAcrossAccountsNotSupported FeatureVersionMismatch
    FeatureNotYetSupportedForHierarchicalNamespaceAccounts IncrementalCopyBlobMismatch
    IncrementalCopyOfEarlierVersionSnapshotNotAllowed IncrementalCopyOfEarlierSnapshotNotAllowed
    IncrementalCopySourceMustBeSnapshot InfiniteLeaseDurationRequired InvalidBlobTier InvalidBlobType InvalidBlockId
    InvalidOperation InvalidPageRange InvalidSourceBlobType InvalidSourceBlobUrl InvalidVersionForPageBlobOperation
    LeaseAlreadyBroken LeaseAlreadyPresent LeaseIdMismatchWithBlobOperation LeaseIdMismatchWithLeaseOperation
    LeaseIdMissing LeaseIsBreakingAndCannotBeAcquired LeaseIsBreakingAndCannotBeChanged LeaseIsBrokenAndCannotBeRenewed
    LeaseLost LeaseNotPresentWithBlobOperation LeaseNotPresentWithLeaseOperation OperationNotAllowedOnIncrementalCopyBlob
    PreviousSnapshotCannotBeNewer PreviousSnapshotOperationNotSupported SequenceNumberIncrementTooLarge
    SnapshotCountExceeded SnapshotsPresent UnsupportedBlobType ConditionHeadersNotSupported EmptyMetadataKey
    InvalidHeaderValue InvalidHttpVerb InvalidInput InvalidMd5 InvalidMetadata InvalidQueryParameterValue InvalidRange
    InvalidResourceName InvalidTag InvalidUri InvalidXmlDocument InvalidXmlNodeValue Md5Mismatch MetadataTooLarge
    MissingContentLengthHeader MissingRequiredHeader MissingRequiredQueryParameter MissingRequiredXmlNode
    MultipleConditionHeadersNotSupported OutOfRangeInput OutOfRangeQueryParameterValue RequestBodyTooLarge
    RequestUrlFailedToParse ResourceTypeMismatch TagsTooLarge UnsupportedHeader UnsupportedHttpVerb
    UnsupportedQueryParameter UnsupportedXmlNode UnauthorizedBlobOverwrite CopySourceIsTooLarge
    DirectoryIsNotEmpty EmptyTagName ERR_INVALID_CHAR ERR_INVALID_HTTP_TOKEN`,
  container: `
    ContainerNotFound ContainerBeingDeleted ContainerDisabled ContainerAlreadyExists ContainerHasLegalHold
    ContainerImmutabilityPolicyLocked ContainerProtectedFromDeletion LeaseIdMismatchWithContainerOperation
    LeaseNotPresentWithContainerOperation FilesystemNotFound FilesystemBeingDeleted`,
  right: `
    AuthenticationFailed AuthorizationFailure AuthorizationPermissionMismatch AuthorizationProtocolMismatch
    AuthorizationResourceTypeMismatch AuthorizationServiceMismatch AuthorizationSourceIPMismatch
    InsufficientAccountPermissions UnauthorizedCopySource KeyVaultEncryptionKeyNotFound`,
  account: `
    AccountAlreadyExists AccountIsDisabled AccountProtectedFromDeletion InvalidAuthenticationInfo
    NoAuthenticationInformation KeyBasedAuthenticationNotPermitted PublicAccessNotPermitted
    KeyVaultVaultNotFound KeyVaultAccessTokenCannotBeAcquired ENOTFOUND`,
};

/** All known codes, with their scope. */
export const FAULT_CODES: ReadonlyMap<string, About> = new Map(
  (Object.entries(CODES) as [About, string][]).flatMap(([about, codes]) =>
    codes
      .trim()
      .split(/\s+/)
      .map((code) => [code, about] as const),
  ),
);

/** @param status - 0: there was no answer */
export function aboutOf({ status, code }: { readonly status: number; readonly code: string }): About {
  const known = FAULT_CODES.get(code);
  // Returned for any error of the source; the status is that of the source.
  if (known !== undefined && code !== "CannotVerifyCopySource") return known;
  switch (status) {
    case 0:
    case 408:
    case 429:
      return "moment";
    case 401:
      return "account";
    case 403:
      return "right";
    case 404:
    case 412:
      return "race";
    default:
      return status >= 500 ? "moment" : "blob";
  }
}
