/**
 * @module
 * Where everything lies in a vault: one blob container per backup instance, and in it
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

/** @returns the instance that a blob container holds, or undefined when it is no instance's */
export function instanceOfContainer(name: string): string | undefined {
  return /^bi-([0-9a-f]{32})$/.exec(name)?.[1];
}

export const INSTANCE_FILE = "instance.json";

/** The directory that a marker makes in an account with a hierarchical namespace. */
export const SOURCE_MARKER_DIRECTORY = ".lakevault";

/** Everything below it in a source container is Lakevault's own and never backed up. */
export const SOURCE_MARKER_PREFIX = `${SOURCE_MARKER_DIRECTORY}/`;

/**
 * The container of blobs that are addressed without one. No name in it may have a slash.
 *
 * @see https://learn.microsoft.com/rest/api/storageservices/working-with-the-root-container
 */
export const ROOT_CONTAINER = "$root";

/** How the names of markers begin in {@link ROOT_CONTAINER}; only with the id of a job after it is a name ours. */
const ROOT_MARKER_PREFIX = `${SOURCE_MARKER_DIRECTORY}-`;
const JOB_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** How the names of all markers in a source container begin. */
export function sourceMarkerPrefix(container: string): string {
  return container === ROOT_CONTAINER ? ROOT_MARKER_PREFIX : SOURCE_MARKER_PREFIX;
}

export function sourceMarkerName(container: string, jobId: string): string {
  return `${sourceMarkerPrefix(container)}${jobId}`;
}

/** Tells whether what a source container holds is Lakevault's own: it is never backed up. */
export function isSourceMarker(
  container: string,
  { name, type }: { readonly name: string; readonly type?: string | undefined },
): boolean {
  if (!name.startsWith(SOURCE_MARKER_DIRECTORY)) return false;
  if (name.startsWith(SOURCE_MARKER_PREFIX)) return true;
  if (name === SOURCE_MARKER_DIRECTORY) return type === "directory";
  return container === ROOT_CONTAINER && jobOfMarker(container, name) !== undefined;
}

/** @returns the job whose marker has this name; undefined when it is no marker's */
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
 * Longest percent-encoded blob name, in bytes, that is put into an object's name. A copy's source URL ends at 2 KiB,
 * and a restore copies from this name: host, containers, etag and a signature of up to 400 bytes need the rest.
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

/** Where a container's objects lie: under their names, and under hashes of names that are too long. */
export function objectPrefixes(container: string): { readonly plain: string; readonly hashed: string } {
  return { plain: `data/${container}/`, hashed: `data~/${container}/` };
}

/** @returns what an object's path says; undefined when it is none under its name */
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
  // Nothing encodes to more than nine bytes a UTF-16 unit, so short names need no closer look.
  return name.length * 9 <= MAX_ENCODED_NAME_LENGTH ? 0 : encodeURIComponent(name.toWellFormed()).length;
}

/**
 * Tells whether a URL can name the blob. Clients fold the path segments `.` and `..` away, also when they are
 * percent-encoded, so that a request for such a name would reach another blob; and a lone surrogate has no UTF-8.
 *
 * @see https://url.spec.whatwg.org/#double-dot-path-segment
 */
export function isAddressable(name: string): boolean {
  if (!name.isWellFormed()) return false;
  // Only such names can have one of the two; all others are spared the closer look.
  if (!name.endsWith(".") && !name.includes("./")) return true;
  return !name.split("/").some((part) => part === "." || part === "..");
}

/** Where the manifests of a recovery point lie. */
export function manifestPrefix(recoveryPointId: string): string {
  return `manifests/${recoveryPointId}/`;
}

/**
 * Names a segment. The range and the number order it for a reader's eye; the hash keeps two attempts at the same work
 * from writing over each other, so that each result row names the very bytes it was made from.
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

/** @returns the recovery point whose seal has this path, or undefined when it is no seal's */
export function recoveryPointOfSeal(path: string): string | undefined {
  return /^recovery-points\/([^/]+)\/recovery-point\.json$/.exec(path)?.[1];
}

export const PURGES_PREFIX = "purges/";

/** Journal of a purge under way. */
export function purgePath(recoveryPointId: string): string {
  return `${PURGES_PREFIX}${recoveryPointId}.json`;
}

/** @returns the recovery point whose purge has its journal here, or undefined when it is no journal's path */
export function recoveryPointOfPurge(path: string): string | undefined {
  return /^purges\/([^/]+)\.json$/.exec(path)?.[1];
}

/** Where all lies that recovery points and attempts at them have put into the vault, but for seals and journals. */
export const CONTENT_PREFIXES = ["data/", "data~/", "manifests/", "markers/"] as const;
