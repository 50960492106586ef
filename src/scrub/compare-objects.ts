/**
 * @module
 * Are the objects of some entries in the vault account as they were written? An object's path carries the ETag that its
 * version had at the source, so finding the path is comparing it. The object has an ETag of its own, which the vault account
 * gave it; the manifest does not repeat it, and a change of access tier changes it, so it tells nothing.
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

/** Single looks in flight at once. */
const LOOKING_WIDTH = 16;

/** A listing of 5,000 names costs as much as ten looks, by the price list as by the clock. */
const NAMES_A_PAGE = 5_000;
const LOOKS_A_PAGE = 10;

/**
 * Decides how objects are looked for.
 *
 * @param wanted - objects, at least 1
 * @param between - names, about, from the first of them to the last
 */
export function decideLooking(wanted: number, between: number): "listing" | "looks" {
  return wanted > LOOKS_A_PAGE * Math.ceil(between / NAMES_A_PAGE) ? "listing" : "looks";
}

/**
 * Whether an MD5 says anything about the content. The service works it out when a block blob is written by one request, and
 * checks it when the writer sends one. Appending to a blob and writing pages leave it as it was, and Copy Blob carries it
 * along, so that of an append or page blob is only what somebody said of some earlier content.
 *
 * @see https://learn.microsoft.com/rest/api/storageservices/append-block
 * @see https://learn.microsoft.com/rest/api/storageservices/put-page
 */
function isMd5OfContent({ type }: Entry): boolean {
  return type === undefined;
}

/**
 * Whether something wrote to an object after a point that names it was sealed. A change of the access tier does not count:
 * the service leaves the time of the last change as it is.
 */
function isWrittenSince(file: StoredFile, sealedAt: Date): boolean {
  return file.writtenAt.getTime() > sealedAt.getTime() + FULL_SAFETY.lateWriteMs;
}

/**
 * Compares what an entry says with what the vault account says of its object.
 *
 * `suspect`: its content decides. A block blob has another MD5 than its entry, which a writer may have set wrongly; or an
 * append or page blob was written to since the seal, and has an MD5 by which to tell that its content is the same.
 * `unconfirmed`: something wrote to a block blob of which no MD5 is known, perhaps its metadata only.
 *
 * @param sealedAt - when a recovery point was sealed that names the object
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

/** What a full reading of an object gave. */
export interface Content {
  readonly bytes: number;
  /** Base64. */
  readonly md5: string;
}

/**
 * Compares what an entry says with the content of its object.
 *
 * The MD5 of an entry is what the source said, unless the service that copied the blob worked one out. So one that does not
 * fit proves nothing by itself: it may have been wrong at the source ever since. It counts as altered when something wrote
 * to the object after the seal, or when the account says another MD5 than the entry, which the copy would have carried
 * along.
 *
 * `unconfirmed`: nothing of that; a block blob whose content is not that of its MD5.
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

/** Whether an object is among those that are re-read in a round; the same in every run of it, another share in each. */
export function isReread(path: string, round: number, share: number): boolean {
  return shareOf(`${round}\n${path}`) < share;
}

export interface CompareDeps {
  readonly vault: ScrubVault;
  readonly settings: Pick<ScrubSettings, "rereadShare" | "rereadBytes">;
  readonly round: number;
  /** When a recovery point was sealed that names all of the objects. */
  readonly sealedAt: Date;
  /** Asked before an object is re-read, when there was one before it; absent: there is always time. */
  readonly hasTime?: () => boolean;
}

export interface Compared {
  /** Objects that are done: the first ones; fewer than were given when the bytes to be re-read, or the time, are spent. */
  readonly objects: number;
  readonly findings: readonly { readonly kind: FindingKind; readonly wanted: WantedObject }[];
  readonly reread: number;
  readonly rereadBytes: number;
  readonly tooLargeToReread: number;
}

/**
 * Compares some objects with their entries, and re-reads those whose turn it is.
 *
 * @param wanted - ascending by path, UTF-16 order, all under one prefix
 * @param between - names, about, from the first of them to the last
 * @param spentBytes - re-read before in the same step. While there were none, one object is re-read whatever its size
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
        // Without its content, what makes it suspect has to do: another MD5 than was copied, or a later write.
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

/** Finds what the vault account says of each object. What its listing lacks is asked for again before it counts as missing. */
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
