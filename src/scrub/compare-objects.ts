/**
 * @module
 * Are the objects of some entries in the vault account as they were written? An object's path carries the ETag that its
 * version had at the source, so finding the path is comparing it. The object has an ETag of its own, which the vault account
 * gave it; the manifest does not repeat it, and a change of access tier changes it, so it tells nothing.
 */
import { createHash } from "node:crypto";
import { mapBounded } from "../foundation/bounded-pool.ts";
import type { Entry } from "../vault/entry.ts";
import type { FindingKind, ScrubSettings, ScrubVault, StoredFile } from "./contract.ts";
import { shareOf } from "./decide-due-scrub.ts";

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
 * Up to this size an object is copied by one request, and its service works the MD5 out; the MD5 of a larger one is what
 * its writer at the source once said.
 */
const WORKED_OUT_BYTES = 256 * 2 ** 20;

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
 * Compares what an entry says with what the vault account says of its object.
 *
 * `suspect`: the two have another MD5. A blob whose writer gave it a wrong one may bring that along as its property, while
 * the entry has what its copy worked out; so the content decides.
 */
export function compareObject(entry: Entry, file: StoredFile | undefined): "whole" | "missing" | "altered" | "suspect" {
  if (file === undefined) return "missing";
  if (!file.isWhole || file.size !== entry.size) return "altered";
  return entry.md5 === undefined || file.md5 === undefined || entry.md5 === file.md5 ? "whole" : "suspect";
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
 * `unconfirmed`: a large object whose content is not that of its MD5, though nothing says that it was written over. Its
 * writer at the source may have given it a wrong one.
 */
export function compareContent(
  entry: Entry,
  file: StoredFile,
  content: Content | undefined,
): "whole" | "missing" | "altered" | "unconfirmed" {
  if (content === undefined) return "missing";
  if (content.bytes !== entry.size) return "altered";
  if (entry.md5 === undefined || entry.md5 === content.md5) return "whole";
  return entry.size > WORKED_OUT_BYTES && file.md5 === entry.md5 ? "unconfirmed" : "altered";
}

/** Whether an object is among those that are re-read in a round; the same in every run of it, another share in each. */
export function isReread(path: string, round: number, share: number): boolean {
  return shareOf(`${round}\n${path}`) < share;
}

export interface CompareDeps {
  readonly vault: ScrubVault;
  readonly settings: Pick<ScrubSettings, "rereadShare" | "rereadBytes">;
  readonly round: number;
}

export interface Compared {
  /** Objects that are done: the first ones; fewer than were given when the bytes to be re-read are spent. */
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
  const { vault, settings, round } = deps;
  const files = await findFiles(vault, prefix, wanted, between);
  const findings: { kind: FindingKind; wanted: WantedObject }[] = [];
  const counts = { reread: 0, rereadBytes: 0, tooLargeToReread: 0 };
  let objects = 0;
  for (const one of wanted) {
    const { path, entry } = one;
    const file = files.get(path);
    const seen = compareObject(entry, file);
    if (seen === "missing" || seen === "altered") findings.push({ kind: seen, wanted: one });
    else if (file !== undefined && (seen === "suspect" || isReread(path, round, settings.rereadShare))) {
      const spent = spentBytes + counts.rereadBytes;
      if (entry.size > settings.rereadBytes) {
        counts.tooLargeToReread += 1;
        // Too large for one copy too: both are what was once said of it, and one of them was changed.
        if (seen === "suspect") findings.push({ kind: "altered", wanted: one });
      } else if (spent > 0 && spent + entry.size > settings.rereadBytes) {
        break;
      } else {
        const content = compareContent(entry, file, await readContent(vault, path));
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
