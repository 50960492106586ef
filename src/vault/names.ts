/**
 * @module
 * Layout of a vault: one blob container per backup instance, and in it
 *
 * ```
 * instance.json
 * data/<container>/<blob name>/<etag>.<birth>
 * data~/<container>/<sha256 of the name>/<etag>.<birth>
 * manifests/<recovery point>/<container>/<n>.ndjson.gz
 * manifests/<recovery point>/<container>/index.json
 * recovery-points/<recovery point>/recovery-point.json
 * markers/<job>/<container>
 * purges/<recovery point>.json
 * ```
 */
import { createHash } from "node:crypto";

/** The blob container that holds one backup instance. */
export function vaultContainerName(instanceId: string): string {
  return `bi-${instanceId}`;
}

/** @returns the instance of a blob container, or undefined when it is not one of an instance */
export function instanceOfContainer(name: string): string | undefined {
  return /^bi-([0-9a-f]{32})$/.exec(name)?.[1];
}

export const INSTANCE_FILE = "instance.json";

/** The directory that a marker creates in an account with a hierarchical namespace. */
export const SOURCE_MARKER_DIRECTORY = ".lakevault";

/** Prefix in source containers that is reserved for Lakevault and never backed up. */
export const SOURCE_MARKER_PREFIX = `${SOURCE_MARKER_DIRECTORY}/`;

/**
 * The container of blobs that are addressed without one. Its blob names cannot have a slash.
 *
 * @see https://learn.microsoft.com/rest/api/storageservices/working-with-the-root-container
 */
export const ROOT_CONTAINER = "$root";

/** Prefix of markers in {@link ROOT_CONTAINER}; only names where a job id follows are reserved. */
const ROOT_MARKER_PREFIX = `${SOURCE_MARKER_DIRECTORY}-`;
const JOB_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Common prefix of all markers in a source container. */
export function sourceMarkerPrefix(container: string): string {
  return container === ROOT_CONTAINER ? ROOT_MARKER_PREFIX : SOURCE_MARKER_PREFIX;
}

export function sourceMarkerName(container: string, jobId: string): string {
  return `${sourceMarkerPrefix(container)}${jobId}`;
}

/** Whether a name in a source container is reserved for Lakevault and never backed up. */
export function isSourceMarker(
  container: string,
  { name, type }: { readonly name: string; readonly type?: string | undefined },
): boolean {
  if (!name.startsWith(SOURCE_MARKER_DIRECTORY)) return false;
  if (name.startsWith(SOURCE_MARKER_PREFIX)) return true;
  if (name === SOURCE_MARKER_DIRECTORY) return type === "directory";
  return container === ROOT_CONTAINER && jobOfMarker(container, name) !== undefined;
}

/** @returns the job of a marker with this name; undefined when it is not a marker */
export function jobOfMarker(container: string, name: string): string | undefined {
  const prefix = sourceMarkerPrefix(container);
  const job = name.startsWith(prefix) ? name.slice(prefix.length) : "";
  return JOB_ID.test(job) ? job : undefined;
}

export function markersPrefix(jobId: string): string {
  return `markers/${jobId}/`;
}

export function vaultMarkerPath(jobId: string, container: string): string {
  return `${markersPrefix(jobId)}${container}`;
}

/** Limits of a blob name. @see https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata */
const MAX_NAME_LENGTH = 1024;
const MAX_SEGMENTS = 254;

/**
 * Max length of a percent-encoded blob name within an object's name, bytes. A copy's source URL is limited to 2 KiB,
 * and a restore copies from this name: host, containers, etag and a SAS of up to 400 bytes need the rest.
 */
const MAX_ENCODED_NAME_LENGTH = 1500;

/**
 * Names the object that holds one version of one blob.
 *
 * @param etag - unquoted
 * @param birth - sequence number of the recovery point that first held the version
 */
export function objectPath(container: string, name: string, etag: string, birth: number): string {
  const suffix = `${etag}.${birth}`;
  const { plain, hashed } = objectPrefixes(container);
  const path = `${plain}${name}/${suffix}`;
  const fits =
    path.length <= MAX_NAME_LENGTH &&
    (path.length < MAX_SEGMENTS || path.split("/").length <= MAX_SEGMENTS) &&
    encodedLength(name) <= MAX_ENCODED_NAME_LENGTH;
  return fits ? path : `${hashed}${createHash("sha256").update(name).digest("hex")}/${suffix}`;
}

/** Prefixes of a container's objects: by name, and by hash for names that are too long. */
export function objectPrefixes(container: string): { readonly plain: string; readonly hashed: string } {
  return { plain: `data/${container}/`, hashed: `data~/${container}/` };
}

/** @returns the parts of an object's path; undefined when it is not one by name */
export function parseObjectPath(
  container: string,
  path: string,
): { readonly name: string; readonly etag: string; readonly birth: number } | undefined {
  const { plain } = objectPrefixes(container);
  const [, name, etag, birth] =
    /^(.+)\/([^/]+)\.(\d+)$/s.exec(path.startsWith(plain) ? path.slice(plain.length) : "") ?? [];
  return name === undefined || etag === undefined ? undefined : { name, etag, birth: Number(birth) };
}

function encodedLength(name: string): number {
  // A UTF-16 unit encodes to at most nine bytes, so short names pass without encoding.
  return name.length * 9 <= MAX_ENCODED_NAME_LENGTH ? 0 : encodeURIComponent(name.toWellFormed()).length;
}

/**
 * Whether a URL can address the blob. Clients resolve the path segments `.` and `..`, also percent-encoded, so a
 * request for such a name would reach another blob; and a lone surrogate cannot be encoded as UTF-8.
 *
 * @see https://url.spec.whatwg.org/#double-dot-path-segment
 */
export function isAddressable(name: string): boolean {
  if (!name.isWellFormed()) return false;
  // A quick test: only such names need the full check.
  if (!name.endsWith(".") && !name.includes("./")) return true;
  return !name.split("/").some((part) => part === "." || part === "..");
}

/** Prefix of the manifests of a recovery point. */
export function manifestPrefix(recoveryPointId: string): string {
  return `manifests/${recoveryPointId}/`;
}

/**
 * Names a segment. Range and number sort it for human readers; the hash keeps two attempts at the same work from
 * overwriting each other, so that each result row names exactly the bytes that it was made from.
 *
 * @param sha256 - of the stored bytes, hexadecimal
 */
export function segmentPath(
  recoveryPointId: string,
  container: string,
  range: string,
  number: number,
  sha256: string,
): string {
  const n = `${range}-${String(number).padStart(6, "0")}-${sha256.slice(0, 16)}`;
  return `${manifestPrefix(recoveryPointId)}${container}/${n}.ndjson.gz`;
}

export function indexPath(recoveryPointId: string, container: string): string {
  return `${manifestPrefix(recoveryPointId)}${container}/index.json`;
}

export const SEALS_PREFIX = "recovery-points/";

export function sealPath(recoveryPointId: string): string {
  return `${SEALS_PREFIX}${recoveryPointId}/recovery-point.json`;
}

/** @returns the recovery point of a seal with this path, or undefined when it is not a seal */
export function recoveryPointOfSeal(path: string): string | undefined {
  return /^recovery-points\/([^/]+)\/recovery-point\.json$/.exec(path)?.[1];
}

export const PURGES_PREFIX = "purges/";

/** Journal of a running purge. */
export function purgePath(recoveryPointId: string): string {
  return `${PURGES_PREFIX}${recoveryPointId}.json`;
}

/** @returns the recovery point of a purge journal with this path, or undefined when it is not a journal */
export function recoveryPointOfPurge(path: string): string | undefined {
  return /^purges\/([^/]+)\.json$/.exec(path)?.[1];
}

/** Prefixes of everything that recovery points and attempts write, except seals and journals. */
export const CONTENT_PREFIXES = ["data/", "data~/", "manifests/", "markers/"] as const;
