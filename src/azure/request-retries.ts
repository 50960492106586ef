/**
 * @module
 * Retries of requests to storage services: timeout, completeness of the answer, back-off. The SDKs' own retries are
 * off, because they do not handle what happens in practice: they do not retry a cut body (`PARSE_ERROR`), those of
 * blobs ignore Retry-After, and none of them times out a connection that hangs silently.
 *
 * @see https://github.com/Azure/azure-sdk-for-js/blob/main/sdk/storage/storage-common/src/policies/StorageRetryPolicyV2.ts
 * @see https://github.com/Azure/azure-sdk-for-js/blob/main/sdk/core/core-rest-pipeline/src/policies/retryPolicy.ts
 */
import { isRestError, RestError } from "@azure/storage-blob";
import { NOTING_MS, outOfTime, timeLeftMs } from "./function-time.ts";
import { retryAfterOf } from "./map-error.ts";

/** Timeout and retries of a request. */
export interface RetrySettings {
  /** Timeout of each try, ms. */
  readonly answerMs: number;
  /** No retry starts later than this after the first try, ms; 0: no retries. */
  readonly retryForMs: number;
  /** Maximum back-off after a first failure, ms; it doubles with each further one. */
  readonly firstBackoffMs: number;
  /** Upper limit of every back-off, ms. */
  readonly maxBackoffMs: number;
}

/**
 * The services time out requests that do not move content after 30 s, so a later answer will not come.
 *
 * @see https://learn.microsoft.com/rest/api/storageservices/setting-timeouts-for-blob-service-operations
 * @see https://learn.microsoft.com/rest/api/storageservices/setting-timeouts-for-table-service-operations
 */
export const DEFAULT_RETRIES: RetrySettings = {
  answerMs: 30_000,
  retryForMs: 30_000,
  firstBackoffMs: 100,
  maxBackoffMs: 4_000,
};

/** Clock, timers and randomness of retries; replaced in tests. */
export interface RetryEnvironment {
  /** Monotonic clock, ms. */
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  /** At least 0, less than 1. */
  readonly random: () => number;
}

const REAL: RetryEnvironment = {
  now: () => performance.now(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  random: Math.random,
};

/** Common members of the SDKs' two types of requests. The body is sent again on retry, so it is no stream. */
export interface RetriedRequest {
  abortSignal?: unknown;
}

/** Common members of the SDKs' two types of answers. */
interface Answer {
  readonly status: number;
  readonly headers: { get(name: string): string | undefined };
  readonly bodyAsText?: string | null;
}

/** Transient statuses: request timeout, too many requests, internal error, bad gateway, busy, gateway timeout. */
const TRANSIENT_STATUSES = new Set([408, 429, 500, 502, 503, 504]);

/** Unknown to DNS: possibly a failing server, but most likely the account does not exist. */
const UNKNOWN_HOST = "ENOTFOUND";
const UNKNOWN_HOST_ATTEMPTS = 3;

/**
 * Sends a request until there is a complete and final answer, or the time for retries is over. The answer to a write
 * may be lost after the service has carried it out, so the retry of a conditional write may find its own result:
 * callers must handle that.
 *
 * @param send - makes one try, with the current `abortSignal` of the request
 * @returns the last answer, whatever its status
 * @throws RestError without a status when the last try had no complete answer: `ETIMEDOUT`, {@link ANSWER_CUT}, or the
 *   network's code; VaultError `internal/out-of-time` (retryable) when the current function has no time left
 */
export async function sendWithRetries<Response extends Answer>(
  request: RetriedRequest,
  send: () => Promise<Response>,
  settings: RetrySettings,
  { now, sleep, random }: RetryEnvironment = REAL,
): Promise<Response> {
  const startedAt = now();
  for (let failures = 1; ; failures++) {
    const { answer, error } = await tryOnce(request, send, settings.answerMs);
    const leftMs = Math.min(startedAt + settings.retryForMs - now(), timeFor(request));
    const maxMs = Math.min(settings.maxBackoffMs, settings.firstBackoffMs * 2 ** (failures - 1));
    const waitMs = Math.max(retryAfterMsOf(answer) ?? 0, Math.ceil(random() * maxMs));
    const isRetried = waitMs < leftMs && (answer === undefined ? passes(error, failures) : isTransient(answer));
    if (isRetried) await sleep(waitMs);
    else if (answer === undefined) throw error;
    else return answer;
  }
}

/** A request with its own timeout moves content; its result still has to be saved. */
function timeFor({ abortSignal }: RetriedRequest): number {
  return timeLeftMs() - (abortSignal === undefined ? 0 : NOTING_MS);
}

/** One try; `error` is thrown when there is no answer. */
async function tryOnce<Response extends Answer>(
  request: RetriedRequest,
  send: () => Promise<Response>,
  answerMs: number,
): Promise<{ readonly answer?: Response; readonly error?: unknown }> {
  const given = request.abortSignal as AbortSignal | undefined;
  const leftMs = timeFor(request);
  if (leftMs <= 0) throw outOfTime();
  const signals = given === undefined ? [AbortSignal.timeout(Math.min(answerMs, Math.ceil(leftMs)))] : [given];
  if (given !== undefined && leftMs !== Number.POSITIVE_INFINITY) signals.push(AbortSignal.timeout(Math.ceil(leftMs)));
  const signal = signals.length === 1 ? signals[0] : AbortSignal.any(signals);
  request.abortSignal = signal;
  try {
    const answer = await send();
    return isWhole(answer) ? { answer } : { error: cut("the answer is incomplete") };
  } catch (error) {
    if (signal?.aborted) return { error: new RestError("the service did not answer in time", { code: "ETIMEDOUT" }) };
    return { error: isCutText(error) ? cut("the connection broke before the end of the answer") : error };
  } finally {
    // The next try of the same request has its own timeout.
    request.abortSignal = given;
  }
}

/** Code of an answer that was cut off. It is unknown whether the service has carried out the request. */
export const ANSWER_CUT = "ANSWER_CUT";

function cut(message: string): RestError {
  return new RestError(message, { code: ANSWER_CUT });
}

/** "Error reading response as text: aborted": the transport had the start of an answer. */
function isCutText(error: unknown): boolean {
  return isRestError(error) && error.code === RestError.PARSE_ERROR && error.statusCode === undefined;
}

function passes(error: unknown, failures: number): boolean {
  if (!isRestError(error) || error.statusCode !== undefined) return false;
  return error.code !== UNKNOWN_HOST || failures < UNKNOWN_HOST_ATTEMPTS;
}

/** The second is the status of the source, when the service read it for a copy. */
function isTransient({ status, headers }: Answer): boolean {
  const sourceStatus = Number(headers.get("x-ms-copy-source-status-code"));
  return TRANSIENT_STATUSES.has(status) || (status >= 400 && TRANSIENT_STATUSES.has(sourceStatus));
}

function retryAfterMsOf(answer: Answer | undefined): number | undefined {
  return answer === undefined || !isTransient(answer) ? undefined : retryAfterOf((name) => answer.headers.get(name));
}

/**
 * Whether the text of an answer is complete. Without a length a proxy can end a cut body as if it were complete, but
 * the start of a document is not a document: XML must end with its root element, and JSON must parse.
 */
export function isWhole({ status, headers, bodyAsText: text }: Answer): boolean {
  // The body of a gateway error is ignored.
  if (!text || status >= 500) return true;
  const type = headers.get("content-type") ?? "";
  if (/\bxml\b/i.test(type)) return isWholeXml(text.trimEnd());
  if (!/\bjson\b/i.test(type)) return true;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const EMPTY_DOCUMENT = /^(<\?[^>]*\?>|\s|\uFEFF)*<[^<]*\/>$/;

function isWholeXml(text: string): boolean {
  const root = /<([\p{L}_][^\s/>]*)/u.exec(text)?.[1];
  return text.endsWith(`</${root}>`) || EMPTY_DOCUMENT.test(text);
}
