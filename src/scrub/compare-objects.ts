/**
 * @module
 * Compares objects in the vault account with their entries. An object's path contains the ETag of the version at the
 * source, so finding the path already compares the ETag. The object's own ETag is ignored: manifests do not store it,
 * and a change of access tier changes it.
 */

import { createHash } from "node:crypto";
import { mapBounded } from "../foundation/bounded-pool.ts";
import { FULL_SAFETY } from "../foundation/safety.ts";
import type { Entry } from "../vault/entry.ts";
import { shareOf } from "./decide-due-scrub.ts";
import type { ScrubSettings } from "./scrub-settings.ts";
import type { FindingKind } from "./scrub-state.ts";
import type { ScrubVault, StoredFile } from "./scrub-vault.ts";

/** An entry and the path of its object. */
export interface WantedObject {
  readonly path: string;
  readonly entry: Entry;
}

/** Max concurrent single requests. */
const LOOKING_WIDTH = 16;

/** A listing of 5,000 names costs as much as ten single requests, in money and in time. */
const NAMES_A_PAGE = 5_000;
const LOOKS_A_PAGE = 10;

/**
 * Decides how objects are looked for.
 *
 * @param wanted - number of objects, at least 1
 * @param between - approximate number of names from the first of them to the last
 */
export function decideLooking(wanted: number, between: number): "listing" | "looks" {
  return wanted > LOOKS_A_PAGE * Math.ceil(between / NAMES_A_PAGE) ? "listing" : "looks";
}

/**
 * Whether an MD5 is reliable. The service computes it when one request writes a block blob, and verifies it when the
 * writer sends one. Appending to a blob and writing pages do not update it, and Copy Blob copies it, so for append and
 * page blobs it may be that of earlier content.
 *
 * @see https://learn.microsoft.com/rest/api/storageservices/append-block
 * @see https://learn.microsoft.com/rest/api/storageservices/put-page
 */
function isMd5OfContent({ type }: Entry): boolean {
  return type === undefined;
}

/**
 * Whether an object was written to after the seal of a point that lists it. A change of access tier does not count: it
 * leaves Last-Modified unchanged.
 */
function isWrittenSince(file: StoredFile, sealedAt: Date): boolean {
  return file.writtenAt.getTime() > sealedAt.getTime() + FULL_SAFETY.lateWriteMs;
}

/**
 * Compares an entry with the properties of its object.
 *
 * `suspect`: its content decides. Either a block blob has another MD5 than its entry, which may have been wrong at the
 * source; or an append or page blob was written to after the seal, and has an MD5 that can confirm its content.
 * `unconfirmed`: a block blob without MD5 was written to, perhaps only its metadata.
 *
 * @param sealedAt - seal time of a recovery point that lists the object
 */
export function compareObject(
  entry: Entry,
  file: StoredFile | undefined,
  sealedAt: Date,
): "whole" | "missing" | "altered" | "suspect" | "unconfirmed" {
  if (file === undefined) return "missing";
  if (!file.isWhole || file.size !== entry.size) return "altered";
  if (!isMd5OfContent(entry)) {
    if (!isWrittenSince(file, sealedAt)) return "whole";
    return entry.md5 === undefined ? "altered" : "suspect";
  }
  if (entry.md5 === undefined) return isWrittenSince(file, sealedAt) ? "unconfirmed" : "whole";
  return file.md5 === undefined || entry.md5 === file.md5 ? "whole" : "suspect";
}

/** Result of reading an object in full. */
export interface Content {
  readonly bytes: number;
  /** Base64. */
  readonly md5: string;
}

/**
 * Compares an entry with the content of its object.
 *
 * The MD5 of an entry comes from the source, unless the service computed one during the copy. So a mismatch alone
 * proves nothing: the MD5 may have been wrong at the source. The object counts as altered when it was written to after
 * the seal, or when its MD5 property differs from the entry's, which a copy would have preserved.
 *
 * `unconfirmed`: neither; a block blob whose content does not match its MD5.
 */
export function compareContent(
  entry: Entry,
  file: StoredFile,
  content: Content | undefined,
  sealedAt: Date,
): "whole" | "missing" | "altered" | "unconfirmed" {
  if (content === undefined) return "missing";
  if (content.bytes !== entry.size) return "altered";
  if (entry.md5 === undefined || entry.md5 === content.md5) return "whole";
  if (isWrittenSince(file, sealedAt)) return "altered";
  if (!isMd5OfContent(entry)) return "whole";
  return file.md5 !== undefined && file.md5 !== entry.md5 ? "altered" : "unconfirmed";
}

/** Whether an object is re-read in a round; deterministic per round, with another sample in each. */
export function isReread(path: string, round: number, share: number): boolean {
  return shareOf(`${round}\n${path}`) < share;
}

export interface CompareDeps {
  readonly vault: ScrubVault;
  readonly settings: Pick<ScrubSettings, "rereadShare" | "rereadBytes">;
  readonly round: number;
  /** Seal time of a recovery point that lists all of the objects. */
  readonly sealedAt: Date;
  /** Checked before an object is re-read, except for the first; absent: no time limit. */
  readonly hasTime?: () => boolean;
}

export interface Compared {
  /** Number of finished objects, from the first; less than all when the time or the bytes to re-read are used up. */
  readonly objects: number;
  readonly findings: readonly { readonly kind: FindingKind; readonly wanted: WantedObject }[];
  readonly reread: number;
  readonly rereadBytes: number;
  readonly tooLargeToReread: number;
}

/**
 * Compares objects with their entries, and re-reads those in the sample.
 *
 * @param wanted - ascending by path, UTF-16 order, all under one prefix
 * @param between - approximate number of names from the first of them to the last
 * @param spentBytes - already re-read in this step. If 0, one object is re-read whatever its size
 */
export async function compareObjects(
  deps: CompareDeps,
  prefix: string,
  wanted: readonly WantedObject[],
  between: number,
  spentBytes: number,
): Promise<Compared> {
  const { vault, settings, round, sealedAt } = deps;
  const files = await findFiles(vault, prefix, wanted, between);
  const findings: { kind: FindingKind; wanted: WantedObject }[] = [];
  const counts = { reread: 0, rereadBytes: 0, tooLargeToReread: 0 };
  let objects = 0;
  for (const one of wanted) {
    const { path, entry } = one;
    const file = files.get(path);
    const seen = compareObject(entry, file, sealedAt);
    if (seen === "missing" || seen === "altered" || seen === "unconfirmed") findings.push({ kind: seen, wanted: one });
    else if (file !== undefined && (seen === "suspect" || isReread(path, round, settings.rereadShare))) {
      const spent = spentBytes + counts.rereadBytes;
      if (entry.size > settings.rereadBytes) {
        counts.tooLargeToReread += 1;
        // Without its content, the suspicion decides: another MD5 than was copied, or a later write.
        if (seen === "suspect") findings.push({ kind: "altered", wanted: one });
      } else if (spent > 0 && (spent + entry.size > settings.rereadBytes || deps.hasTime?.() === false)) {
        break;
      } else {
        const content = compareContent(entry, file, await readContent(vault, path), sealedAt);
        if (content !== "whole") findings.push({ kind: content, wanted: one });
        counts.reread += 1;
        counts.rereadBytes += entry.size;
      }
    }
    objects += 1;
  }
  return { objects, findings, ...counts };
}

/**
 * Gets the properties of each object. Objects missing from the listing are requested again before they count as
 * missing.
 */
async function findFiles(
  vault: ScrubVault,
  prefix: string,
  wanted: readonly WantedObject[],
  between: number,
): Promise<ReadonlyMap<string, StoredFile>> {
  const files = new Map<string, StoredFile>();
  const [first, last] = [wanted.at(0)?.path, wanted.at(-1)?.path];
  if (first === undefined || last === undefined) return files;
  if (decideLooking(wanted.length, between) === "listing") {
    const paths = new Set(wanted.map(({ path }) => path));
    for await (const page of vault.listPages(prefix, first)) {
      for (const file of page) if (paths.has(file.path)) files.set(file.path, file);
      const end = page.at(-1)?.path;
      if (end !== undefined && end >= last) break;
    }
  }
  const unseen = wanted.filter(({ path }) => !files.has(path));
  await mapBounded(unseen, LOOKING_WIDTH, async ({ path }) => {
    const file = await vault.look(path);
    if (file !== undefined) files.set(path, file);
  });
  return files;
}

async function readContent(vault: ScrubVault, path: string): Promise<Content | undefined> {
  const pieces = await vault.stream(path);
  if (pieces === undefined) return undefined;
  const hash = createHash("md5");
  let bytes = 0;
  for await (const piece of pieces) {
    hash.update(piece);
    bytes += piece.length;
  }
  return { bytes, md5: hash.digest("base64") };
}
