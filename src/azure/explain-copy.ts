import { isRestError } from "@azure/storage-blob";
import { isTransient } from "../foundation/adaptive-pool.ts";
import { VaultError } from "../foundation/errors.ts";
import { type BlobPlace, type CopyRequest, type CopyResult, newBlobOf, sourceOf } from "./copy-request.ts";
import { decideFault } from "./decide-fault.ts";
import { unquoted } from "./listed-blobs.ts";
import { answerOf, mapError, type Place } from "./map-error.ts";

/**
 * Finds the cause of a failed copy. Throws transient errors, and those of the container or the account. A 409 or 412
 * may concern either side and has many codes, so the current state of both sides is read. All other errors count as
 * caused by this blob.
 *
 * @see ./decide-fault.ts
 */
export async function explain(error: unknown, request: CopyRequest): Promise<CopyResult> {
  const answer = answerOf(error);
  if (answer?.code === "BlobAlreadyExists") return { kind: "exists" };
  const place = refusingPlace(error, request);
  const failure = mapError(error, place);
  if (error instanceof VaultError || isTransient(failure)) throw failure;
  // Thrown before anything was sent, for example for an invalid header.
  if (answer === undefined) return refusedBy(failure, codeOf(error));

  const { verdict } = decideFault(answer.source ?? answer, "copy", place === request.to.place ? "vault" : "source");
  if (verdict === "container-skipped" || verdict === "job-failed") throw failure;
  const source = await stateOfSource(request);
  if (source !== "as wanted") return source;
  // Of two workers that stage blocks for one name, the first commit discards the other's blocks (InvalidBlockList).
  if (await exists(request)) return { kind: "exists" };
  return refusedBy(failure);
}

function refusedBy(failure: Error, code = failure.name): CopyResult {
  const serviceCode = failure instanceof VaultError ? failure.serviceCode : undefined;
  return { kind: "refused", code: serviceCode ?? code, message: failure.message };
}

function codeOf(error: unknown): string {
  const { code, name } = error as { readonly code?: unknown; readonly name?: unknown };
  return typeof code === "string" ? code : String(name ?? typeof error);
}

/** The account that answered: the one that got the request, or the source that the service read for us. */
export function refusingPlace(error: unknown, { from, to }: CopyRequest): Place {
  const at = ({ place, container, name }: BlobPlace): Place => ({ ...place, container, blob: name });
  const answer = answerOf(error);
  // CannotVerifyCopySource: the service could not read the source for us.
  if (answer?.source !== undefined || answer?.code === "CannotVerifyCopySource") return at(from);
  const url = isRestError(error) ? (error.request?.url ?? "") : "";
  const isAsked = ({ account }: BlobPlace): boolean => url.startsWith(`${account.service.url.replace(/\/$/, "")}/`);
  return isAsked(from) && !isAsked(to) ? at(from) : to.place;
}

async function exists(request: CopyRequest): Promise<boolean> {
  try {
    return await newBlobOf(request).exists();
  } catch (error) {
    throw mapError(error, request.to.place);
  }
}

async function stateOfSource(request: CopyRequest): Promise<CopyResult | "as wanted"> {
  try {
    const { etag, accessTier } = await sourceOf(request).getProperties();
    if (request.etag !== undefined && unquoted(etag ?? "") !== request.etag) return { kind: "changed" };
    if (accessTier !== "Archive") return "as wanted";
    return { kind: "unreadable", code: "archived", message: "the blob is in the archive tier and cannot be read" };
  } catch (error) {
    const { place, container, name } = request.from;
    const failure = mapError(error, { ...place, container, blob: name });
    const answer = answerOf(error);
    if (answer === undefined || isTransient(failure)) throw failure;
    // "The blob is encrypted with customer specified encryption, but it was not provided in the request."
    if (answer.code === "BlobUsesCustomerSpecifiedEncryption") {
      const message = "the blob is encrypted with a customer-provided key";
      return { kind: "unreadable", code: "customer-key", message };
    }
    const { verdict } = decideFault(answer, "look");
    if (verdict === "container-skipped" || verdict === "job-failed") throw failure;
    return answer.status === 404 ? { kind: "gone" } : refusedBy(failure);
  }
}
