import { FAILURES, type Failure, type FailureCode, VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";

interface ArmError {
  readonly status: number;
  readonly code: string;
}

/**
 * HTTP status and ARM code of each failure: Azure's own code where Azure has one for the cause.
 *
 * @see https://learn.microsoft.com/azure/backup/blob-backup-troubleshoot
 * @see https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors
 */
const ARM_ERRORS: Readonly<Record<FailureCode, ArmError>> = {
  "request/invalid": { status: 400, code: "UserErrorInvalidParameterInRequest" },
  "request/too-large": { status: 413, code: "RequestEntityTooLarge" },
  "request/incomplete": { status: 400, code: "RequestBodyIncomplete" },
  "request/path-unknown": { status: 404, code: "InvalidResourceType" },
  "request/method-not-allowed": { status: 405, code: "MethodNotAllowed" },
  "request/api-version-missing": { status: 400, code: "MissingApiVersionParameter" },
  "request/api-version-unknown": { status: 400, code: "InvalidApiVersionParameter" },
  "access/not-configured": { status: 403, code: "AccessNotConfigured" },
  "access/unauthenticated": { status: 401, code: "InvalidAuthenticationToken" },
  "access/forbidden": { status: 403, code: "AuthorizationFailed" },
  "vault/not-found": { status: 404, code: "ResourceNotFound" },
  "vault/not-empty": { status: 409, code: "VaultNotEmpty" },
  "vault/immutable": { status: 409, code: "OperationNotAllowedOnImmutableVault" },
  "vault/soft-delete-always-on": { status: 409, code: "SoftDeleteAlwaysOn" },
  "policy/not-found": { status: 404, code: "ResourceNotFound" },
  "policy/in-use": { status: 409, code: "BackupPolicyInUse" },
  "policy/invalid": { status: 400, code: "InvalidBackupPolicy" },
  "instance/not-found": { status: 404, code: "ResourceNotFound" },
  "instance/invalid": { status: 400, code: "InvalidBackupInstance" },
  "instance/already-protected": { status: 409, code: "DatasourceAlreadyProtected" },
  "instance/not-protected": { status: 409, code: "BackupInstanceNotProtected" },
  "instance/invalid-state": { status: 409, code: "OperationNotAllowedInProtectionState" },
  "instance/deleted": { status: 409, code: "BackupInstanceSoftDeleted" },
  "instance/busy": { status: 409, code: "UserErrorBackupRequestThrottled" },
  "recovery-point/not-found": { status: 404, code: "ResourceNotFound" },
  "job/not-found": { status: 404, code: "ResourceNotFound" },
  "job/cancelled": { status: 409, code: "OperationCanceled" },
  "job/stalled": { status: 500, code: "JobStalled" },
  "job/not-cancellable": { status: 409, code: "JobNotCancellable" },
  "operation/not-found": { status: 404, code: "ResourceNotFound" },
  "datasource/account-unknown": { status: 400, code: "UserErrorAzureResourceNotFoundByPlugin" },
  "datasource/container-not-found": { status: 400, code: "UserErrorIncorrectContainersSelectedForOperation" },
  "datasource/kind-mismatch": { status: 400, code: "DatasourceKindMismatch" },
  "datasource/too-many-containers": { status: 400, code: "TooManyContainersSelected" },
  "datasource/forbidden": { status: 403, code: "UserErrorMissingRequiredPermissions" },
  "datasource/refused": { status: 409, code: "DatasourceRequestRefused" },
  "datasource/changing-too-fast": { status: 409, code: "DatasourceChangingTooFast" },
  "restore/unsupported": { status: 400, code: "RestoreNotSupported" },
  "restore/target-is-source": { status: 400, code: "UserErrorOriginalLocationRestoreNotSupported" },
  "restore/target-account-unknown": { status: 400, code: "UserErrorAzureResourceNotFoundByPlugin" },
  "restore/target-container-exists": { status: 409, code: "UserErrorTargetContainersExistOnAccount" },
  "restore/target-in-other-region": { status: 400, code: "RestoreTargetInOtherRegion" },
  "restore/container-not-in-recovery-point": {
    status: 400,
    code: "UserErrorIncorrectContainersSelectedForOperation",
  },
  "restore/target-changed": { status: 409, code: "RestoreTargetChanged" },
  "restore/verification-failed": { status: 500, code: "RestoreVerificationFailed" },
  "listing/out-of-order": { status: 500, code: "ListingOutOfOrder" },
  "format/newer-version": { status: 500, code: "VaultFormatNotSupported" },
  "format/corrupt": { status: 500, code: "VaultFormatCorrupt" },
  "format/missing": { status: 500, code: "VaultFileMissing" },
  "manifest/incomplete": { status: 500, code: "ManifestIncomplete" },
  "marker/not-replicated": { status: 500, code: "MarkerNotReplicated" },
  "message/poisoned": { status: 500, code: "MessagePoisoned" },
  "storage/conflict": { status: 409, code: "StorageConflict" },
  "storage/throttled": { status: 503, code: "ServerBusy" },
  "storage/unavailable": { status: 503, code: "ServiceUnavailable" },
  "internal/out-of-time": { status: 503, code: "ServiceUnavailable" },
  "storage/refused": { status: 500, code: "StorageRequestRefused" },
  "internal/unexpected": { status: 500, code: "InternalServerError" },
};

export function armCode(code: FailureCode): string {
  return ARM_ERRORS[code].code;
}

export function httpStatus(code: FailureCode): number {
  return ARM_ERRORS[code].status;
}

/** A recorded permanent failure, for a poller of its operation: never a status that makes clients retry. */
export function lastingHttpStatus(code: FailureCode): number {
  const { status } = ARM_ERRORS[code];
  return status < 500 ? status : 409;
}

/** `error` of ARM's `CloudError` and `ErrorResponse`. */
export function errorDetail(failure: Failure): object {
  return {
    code: armCode(failure.code),
    message: failure.message,
    additionalInfo: [
      {
        type: "LakevaultFailure",
        info: { code: failure.code, ...present({ hint: failure.hint }) },
      },
    ],
  };
}

/** ARM's `UserFacingError`, for jobs. */
export function userFacingError(failure: Failure): object {
  const kind = FAILURES[failure.code];
  return {
    code: armCode(failure.code),
    message: failure.message,
    ...(failure.hint === undefined ? {} : { recommendedAction: [failure.hint] }),
    isRetryable: kind.retryable,
    isUserError: kind.fixedBy === "caller",
    properties: { failureCode: failure.code },
  };
}

/** Converts an error for the caller; one without a code becomes a request id, by which to find it in the log. */
export function failureForCaller(error: unknown, requestId: string): Failure {
  if (error instanceof VaultError && error.code !== "internal/unexpected") return error.toFailure();
  return {
    code: "internal/unexpected",
    message: "the request failed for a reason that the caller cannot fix",
    hint: `quote the request id '${requestId}'`,
  };
}
