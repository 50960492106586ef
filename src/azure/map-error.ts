/**
 * @module
 * Converts errors of the storage services to failures. Adapters use only this module for that.
 *
 * @see https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes
 * @see https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
 */
import { isRestError } from "@azure/storage-blob";
import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import { cleanError } from "./clean-error.ts";

/** Target of a request, for the message of its failure. */
export type Place = (
  | { readonly kind: "datasource"; readonly account: string }
  | { readonly kind: "target"; readonly account: string }
  | { readonly kind: "vault" }
  | { readonly kind: "state" }
) & {
  readonly container?: string;
  readonly blob?: string;
};

/** The parts of a service's answer that decisions use. */
export interface ServiceAnswer {
  /** 0: there was no answer. */
  readonly status: number;
  /** Error code of the service, or of the network; empty when there is none. */
  readonly code: string;
  /** Request id, for Azure support. */
  readonly requestId?: string;
  /** Retry-After of the service, ms; at most {@link MAX_RETRY_AFTER_MS}. */
  readonly retryAfterMs?: number;
  /** Status of the source, when the service read it for a copy. */
  readonly source?: { readonly status: number; readonly code: string };
}

/** Limit for Retry-After: a header must not stop the work for a day. */
const MAX_RETRY_AFTER_MS = 300_000;

/** @returns undefined when the error is not from a request to a service */
export function answerOf(error: unknown): ServiceAnswer | undefined {
  if (!isRestError(error)) return undefined;
  const details = error.details as { readonly odataError?: { readonly code?: string } } | undefined;
  const header = (name: string): string | undefined => error.response?.headers.get(name);
  const retryAfterMs = retryAfterOf(header);
  const sourceStatus = header("x-ms-copy-source-status-code");
  const requestId = header("x-ms-request-id");
  return {
    status: error.statusCode ?? 0,
    // Table Storage returns its code in the body, the other services in a header that the SDK reads, except for a HEAD.
    code: details?.odataError?.code ?? error.code ?? header("x-ms-error-code") ?? "",
    ...present({ requestId, retryAfterMs }),
    ...(sourceStatus === undefined
      ? {}
      : { source: { status: Number(sourceStatus), code: header("x-ms-copy-source-error-code") ?? "" } }),
  };
}

/** Answer of an error that is not from a request to a service. */
const NO_ANSWER: ServiceAnswer = { status: 0, code: "" };

/** Like {@link answerOf}, for both kinds of errors. */
export function answerOrNone(error: unknown): ServiceAnswer {
  return answerOf(error) ?? NO_ANSWER;
}

/** @returns 0 when there was no answer, or the error is not from a request to a service */
export function statusOf(error: unknown): number {
  return answerOrNone(error).status;
}

/** @returns the service's own code; empty if there is none */
export function serviceCodeOf(error: unknown): string {
  return answerOrNone(error).code;
}

/** @returns the result; undefined when the service answers not found */
export async function ifFound<T>(request: () => Promise<T>): Promise<T | undefined> {
  try {
    return await request();
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}

/** @see https://www.rfc-editor.org/rfc/rfc9110#name-retry-after for the header without milliseconds */
export function retryAfterOf(header: (name: string) => string | undefined): number | undefined {
  const text = header("retry-after");
  const ms = Number(header("retry-after-ms") ?? header("x-ms-retry-after-ms") ?? Number(text) * 1_000);
  // A time is by the service's clock, so it is compared with the Date header.
  const waitMs = Number.isNaN(ms)
    ? Date.parse(text ?? "") - Date.parse(header("date") ?? new Date().toUTCString())
    : ms;
  return waitMs > 0 ? Math.min(waitMs, MAX_RETRY_AFTER_MS) : undefined;
}

/**
 * Converts an error of a storage SDK. An answer without a specific meaning is `datasource/refused`, or
 * `storage/refused` for the vault, state and target accounts. Other errors stay unchanged, without secrets, and count
 * as `internal/unexpected`.
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
    if (cause.name === "AbortError") {
      return new VaultError("storage/unavailable", `${nameOf(place)} did not answer in time`, { cause });
    }
    return cause;
  }
  return failureOf(answer, place, cause) ?? refused(answer, place, cause);
}

/** Runs a request and converts its error. */
export async function mapping<T>(place: Place, request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    throw mapError(error, place);
  }
}

/** Code or status, request id, and operation: no secrets. */
function detailOf({ status, code, requestId }: ServiceAnswer, { container, blob }: Place): string {
  return [
    code === "" ? `status ${status}` : code,
    ...(requestId === undefined ? [] : [`request ${requestId}`]),
    ...(blob === undefined ? [] : [`blob '${blob}'`]),
    ...(container === undefined ? [] : [`container '${container}'`]),
  ].join(", ");
}

function refused({ source, ...answer }: ServiceAnswer, place: Place, cause: Error): VaultError {
  if (source !== undefined) return refused({ ...answer, ...source }, place, cause);
  const code = place.kind === "datasource" ? "datasource/refused" : "storage/refused";
  return new VaultError(code, `${nameOf(place)} refuses a request (${detailOf(answer, place)})`, {
    cause,
    serviceCode: codeOf(answer),
  });
}

function codeOf({ status, code }: ServiceAnswer): string {
  return code === "" ? `status-${status}` : code;
}

function failureOf(answer: ServiceAnswer, place: Place, cause: Error): VaultError | undefined {
  const { status, code, retryAfterMs, requestId, source } = answer;
  const whole = { ...present({ retryAfterMs }), ...(requestId && { requestId }) };
  const fromSource = source && failureOf({ ...source, ...whole }, place, cause);
  if (fromSource !== undefined) return fromSource;
  const detail = detailOf(answer, place);
  const options = {
    cause,
    serviceCode: codeOf(answer),
    ...present({ retryAfterMs }),
  };
  switch (code) {
    // getaddrinfo ENOTFOUND: DNS knows every storage account that exists, and no other.
    case "ENOTFOUND":
    // "The specified account does not exist" (while its name is still known to DNS)
    case "ResourceNotFound":
      // For a blob it means that the blob is not found.
      if (place.blob !== undefined && status === 404) break;
      if (place.kind === "datasource" || place.kind === "target") return accountUnknown(place, cause);
      break;
    // "The specified container does not exist."
    case "ContainerNotFound":
      if (place.kind === "vault") break;
      return new VaultError("datasource/container-not-found", `${containerOf(place)} was not found`, options);
    // "The specified container is being deleted. Try operation later." It can no longer be read.
    case "ContainerBeingDeleted":
      if (place.kind === "datasource") {
        return new VaultError("datasource/container-not-found", `${containerOf(place)} is being deleted`, options);
      }
      return new VaultError("storage/unavailable", `${containerOf(place)} is being deleted`, {
        hint: "try again in a minute",
        ...options,
      });
    // "The server is currently unable to receive requests." / "The operation could not be completed within the
    // permitted time.": both mean that the account throttles.
    case "ServerBusy":
    case "OperationTimedOut":
      return throttled(place, detail, options);
    // 'Error "..." occurred while parsing the response body': the SDK could not read the answer, whatever its status.
    case "PARSE_ERROR":
      return new VaultError("storage/unavailable", `an answer of ${nameOf(place)} cannot be parsed`, options);
  }
  switch (status) {
    // "This request is not authorized to perform this operation (using this permission)." and its relatives
    case 401:
    case 403:
      return forbidden(place, detail, options);
    case 429:
    case 503:
      return throttled(place, detail, options);
    case 408:
    case 500:
    case 502:
    case 504:
    // No answer: ECONNREFUSED, ECONNRESET, ETIMEDOUT, EAI_AGAIN, REQUEST_SEND_ERROR.
    case 0:
      return new VaultError("storage/unavailable", `${nameOf(place)} cannot be reached (${detail})`, options);
    default:
      return undefined;
  }
}

function throttled(
  place: Place,
  detail: string,
  options: { cause: Error; retryAfterMs?: number; serviceCode: string },
): VaultError {
  return new VaultError("storage/throttled", `${nameOf(place)} throttles requests (${detail})`, options);
}

function accountUnknown(place: Extract<Place, { account: string }>, cause: Error): VaultError {
  const code = place.kind === "target" ? "restore/target-account-unknown" : "datasource/account-unknown";
  return new VaultError(code, `storage account '${place.account}' was not found`, { cause });
}

/** If the vault refuses access, the operator can fix it while jobs wait, so it counts as unavailable. */
function forbidden(place: Place, detail: string, options: { cause: Error; serviceCode: string }): VaultError {
  const isOurs = place.kind === "vault" || place.kind === "state";
  return new VaultError(
    isOurs ? "storage/unavailable" : "datasource/forbidden",
    `${nameOf(place)} refuses the app's identity (${detail})`,
    {
      hint: "check the role assignments of the app's identity on this account, and the account's network rules",
      ...options,
    },
  );
}

function containerOf(place: Place): string {
  return `${place.container === undefined ? "a container" : `container '${place.container}'`} of ${nameOf(place)}`;
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
