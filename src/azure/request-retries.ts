/**
 * @module
 * How a request to a storage service is tried: how long it may take, whether its answer is whole, and when it is tried
 * again. The SDKs' own retries are off, because they miss what happens in practice: a body that is cut is a `PARSE_ERROR`
 * that none of them tries again, those of blobs read no Retry-After, and none of them ends a connection that is dead
 * without a sign.
 *
 * @see https://github.com/Azure/azure-sdk-for-js/blob/main/sdk/storage/storage-common/src/policies/StorageRetryPolicyV2.ts
 * @see https://github.com/Azure/azure-sdk-for-js/blob/main/sdk/core/core-rest-pipeline/src/policies/retryPolicy.ts
 */
import { isRestError, RestError } from "@azure/storage-blob";
import { NOTING_MS, outOfTime, timeLeftMs } from "./function-time.ts";
import { retryAfterOf } from "./map-error.ts";

/** How long and how often a request is tried. */
export interface RetrySettings {
  /** How long the answer of one try may take, ms. */
  readonly answerMs: number;
  /** No try begins later than this after the first, ms; 0: it is tried once. */
  readonly retryForMs: number;
  /** Longest back-off after a first failure, ms; it doubles with each further one. */
  readonly firstBackoffMs: number;
  /** Longest back-off of all, ms. */
  readonly maxBackoffMs: number;
}

/**
 * The services themselves give up after 30 s what does not move content, so an answer that takes longer will not come.
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

/** What retries need of their environment; tests have their own. */
export interface RetryEnvironment {
  /** Ms since some moment. */
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

/** What the SDKs' two kinds of requests have in common. The body of a try that fails is sent again, so it is no stream. */
export interface RetriedRequest {
  abortSignal?: unknown;
}

/** What the SDKs' two kinds of answers have in common. */
interface Answer {
  readonly status: number;
  readonly headers: { get(name: string): string | undefined };
  readonly bodyAsText?: string | null;
}

/** Statuses that pass: request timeout, too many requests, internal error, bad gateway, busy, gateway timeout. */
const TRANSIENT_STATUSES = new Set([408, 429, 500, 502, 503, 504]);

/** A name that DNS does not know: it may be a failing server, but most likely there is no such account. */
const UNKNOWN_HOST = "ENOTFOUND";
const UNKNOWN_HOST_ATTEMPTS = 3;

/**
 * Sends a request until there is a whole answer that is worth handing on, or the time for retries is over. The answer to a write may be
 * lost after the service has carried it out, so a write that is tried again may find its own work: whoever writes under a
 * condition must be ready for that.
 *
 * @param send - makes one try, with the request's `abortSignal` as it is then
 * @returns the last answer, whatever its status
 * @throws RestError without a status when the last try had no whole answer: `ETIMEDOUT`, {@link ANSWER_CUT}, or the
 *   network's code; VaultError `internal/out-of-time` (retryable) when the function under way has no time for it
 */
export async function sendWithRetries<Response extends Answer>(
  request: RetriedRequest,
  send: () => Promise<Response>,
  settings: RetrySettings,
  { now, sleep, random }: RetryEnvironment = REAL,
): Promise<Response> {
  const begunAt = now();
  for (let failures = 1; ; failures++) {
    const { answer, error } = await tryOnce(request, send, settings.answerMs);
    const leftMs = Math.min(begunAt + settings.retryForMs - now(), timeFor(request));
    const maxMs = Math.min(settings.maxBackoffMs, settings.firstBackoffMs * 2 ** (failures - 1));
    const waitMs = Math.max(retryAfterMsOf(answer) ?? 0, Math.ceil(random() * maxMs));
    const isRetried = waitMs < leftMs && (answer === undefined ? passes(error, failures) : isTransient(answer));
    if (isRetried) await sleep(waitMs);
    else if (answer === undefined) throw error;
    else return answer;
  }
}

/** A request with a time of its own moves content; what it has moved is still to be noted. */
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
    return isWhole(answer) ? { answer } : { error: cut("the answer ends before its end") };
  } catch (error) {
    if (signal?.aborted) return { error: new RestError("the service did not answer in time", { code: "ETIMEDOUT" }) };
    return { error: isCutText(error) ? cut("the connection broke before the end of the answer") : error };
  } finally {
    // The next try of the same request has a time of its own.
    request.abortSignal = given;
  }
}

/** Code of an answer that broke off. Whether the service has done what it was asked for, nobody can tell. */
export const ANSWER_CUT = "ANSWER_CUT";

function cut(message: string): RestError {
  return new RestError(message, { code: ANSWER_CUT });
}

/** "Error reading response as text: aborted": the transport had the beginning of an answer. */
function isCutText(error: unknown): boolean {
  return isRestError(error) && error.code === RestError.PARSE_ERROR && error.statusCode === undefined;
}

function passes(error: unknown, failures: number): boolean {
  if (!isRestError(error) || error.statusCode !== undefined) return false;
  return error.code !== UNKNOWN_HOST || failures < UNKNOWN_HOST_ATTEMPTS;
}

/** The second is what the service itself was answered when it read the source of a copy. */
function isTransient({ status, headers }: Answer): boolean {
  const sourceStatus = Number(headers.get("x-ms-copy-source-status-code"));
  return TRANSIENT_STATUSES.has(status) || (status >= 400 && TRANSIENT_STATUSES.has(sourceStatus));
}

function retryAfterMsOf(answer: Answer | undefined): number | undefined {
  return answer === undefined || !isTransient(answer) ? undefined : retryAfterOf((name) => answer.headers.get(name));
}

/**
 * Whether the text of an answer goes to its end. Without a length a proxy can end a cut body as if it were whole, and no
 * beginning of a document is a document: an XML file ends with the end of its first element, and JSON can be parsed.
 */
export function isWhole({ status, headers, bodyAsText: text }: Answer): boolean {
  // What a failing gateway writes is nobody's business.
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
