/**
 * @module
 * What the storage services say, as failures of ours. Adapters translate here and nowhere else.
 *
 * @see https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes
 * @see https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
 */
import { isRestError } from "@azure/storage-blob";
import { VaultError } from "../foundation/errors.ts";
import { cleanError } from "./clean-error.ts";

/** Where a request went, so that the failure can name it. */
export type Place =
  | { readonly kind: "datasource"; readonly account: string }
  | { readonly kind: "target"; readonly account: string }
  | { readonly kind: "vault" }
  | { readonly kind: "state" };

/** What a service answered, as far as decisions depend on it. */
export interface ServiceAnswer {
  /** 0: there was no answer. */
  readonly status: number;
  /** The service's code, or that of the network; empty when there is none. */
  readonly code: string;
}

/** @returns undefined when the error did not come from a request to a service */
export function answerOf(error: unknown): ServiceAnswer | undefined {
  if (!isRestError(error)) return undefined;
  const details = error.details as { readonly odataError?: { readonly code?: string } } | undefined;
  // Table Storage tells its code in the body, the other services in a header that the SDK reads.
  return { status: error.statusCode ?? 0, code: details?.odataError?.code ?? error.code ?? "" };
}

/**
 * Translates an error of a storage SDK. What is not known stays what it was, without its secrets, and counts as
 * `internal/unexpected`.
 */
export function mapError(error: unknown, place: Place): Error {
  if (error instanceof VaultError) return error;
  const cause = cleanError(error);
  const answer = answerOf(error);
  if (answer === undefined) {
    // "ManagedIdentityCredential: Authentication failed", "... no managed identity endpoint found"
    if (/^(CredentialUnavailable|Authentication|AggregateAuthentication)/.test(cause.name)) {
      return new VaultError("storage/unavailable", `no token for ${nameOf(place)}`, {
        hint: "check the app's managed identity and the setting VaultClientId",
        cause,
      });
    }
    return cause;
  }
  return failureOf(answer, place, cause) ?? cause;
}

/** Runs a request and translates what it throws. */
export async function mapping<T>(place: Place, request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    throw mapError(error, place);
  }
}

function failureOf({ status, code }: ServiceAnswer, place: Place, cause: Error): VaultError | undefined {
  const said = code === "" ? `status ${status}` : code;
  switch (code) {
    // getaddrinfo ENOTFOUND: DNS knows every storage account that exists, and no other.
    case "ENOTFOUND":
    // "The specified account does not exist" (while its name is still known to DNS)
    case "ResourceNotFound":
      if (place.kind === "datasource" || place.kind === "target") return accountUnknown(place, cause);
      break;
    // "The specified container does not exist."
    case "ContainerNotFound":
      if (place.kind === "vault") break;
      return new VaultError("datasource/container-not-found", `a container of ${nameOf(place)} does not exist`, {
        cause,
      });
    // "The specified container is being deleted. Try operation later."
    case "ContainerBeingDeleted":
      return new VaultError("storage/unavailable", `a container of ${nameOf(place)} is being deleted`, {
        hint: "try again in a minute",
        cause,
      });
    // "The server is currently unable to receive requests." / "The operation could not be completed within the
    // permitted time.": both are how an account says that it is asked for too much.
    case "ServerBusy":
    case "OperationTimedOut":
      return throttled(place, said, cause);
  }
  switch (status) {
    // "This request is not authorized to perform this operation (using this permission)." and its relatives
    case 401:
    case 403:
      return forbidden(place, said, cause);
    case 429:
    case 503:
      return throttled(place, said, cause);
    case 500:
    case 502:
    case 504:
    // No answer: ECONNREFUSED, ECONNRESET, ETIMEDOUT, EAI_AGAIN, REQUEST_SEND_ERROR.
    case 0:
      return new VaultError("storage/unavailable", `${nameOf(place)} cannot be reached (${said})`, { cause });
    default:
      return undefined;
  }
}

function throttled(place: Place, said: string, cause: Error): VaultError {
  return new VaultError("storage/throttled", `${nameOf(place)} is asked for more than it can do (${said})`, { cause });
}

function accountUnknown(place: Extract<Place, { account: string }>, cause: Error): VaultError {
  const code = place.kind === "target" ? "restore/target-account-unknown" : "datasource/account-unknown";
  return new VaultError(code, `storage account '${place.account}' does not exist`, { cause });
}

/** A vault that refuses us is for the operator to mend while jobs wait, so it counts as unavailable. */
function forbidden(place: Place, said: string, cause: Error): VaultError {
  const isOurs = place.kind === "vault" || place.kind === "state";
  return new VaultError(
    isOurs ? "storage/unavailable" : "datasource/forbidden",
    `${nameOf(place)} refuses the app's identity (${said})`,
    {
      hint: "check the role assignments of the app's identity on this account, and the account's network rules",
      cause,
    },
  );
}

function nameOf(place: Place): string {
  switch (place.kind) {
    case "datasource":
    case "target":
      return `storage account '${place.account}'`;
    case "vault":
      return "the vault account";
    case "state":
      return "the state account";
  }
}
