/**
 * @module
 * Cut points between names. A range may start at any text, so cuts are as short as possible: thousands of them are
 * stored in queue messages and rows.
 */
import type { ListingOrder } from "./listing-order.ts";

/** The most common characters of names, as ranks; others are tried only where names have them. */
const FIRST_USUAL = 0x20;
const LAST_USUAL = 0x7f;
const LAST = 0xfffd;

const SLASH = 0x2f;
const SURROGATES = { first: 0xd800, last: 0xdfff };

/** Rank of a character: in `path` order `/` is before all others. */
function rankOf(code: number, order: ListingOrder): number {
  if (order === "utf-16" || code > SLASH) return code;
  return code === SLASH ? 0 : code + 1;
}

function codeOf(rank: number, order: ListingOrder): number {
  if (order === "utf-16" || rank > SLASH) return rank;
  return rank === 0 ? SLASH : rank - 1;
}

/** Rank of a name's character; lowest after the end of the name. */
function rankAt(name: string, index: number, order: ListingOrder): number {
  return index < name.length ? rankOf(name.charCodeAt(index), order) : -1;
}

/** Length of the common prefix of two names. */
export function sharedLength(a: string, b: string): number {
  const maxLength = Math.min(a.length, b.length);
  let length = 0;
  while (length < maxLength && a.charCodeAt(length) === b.charCodeAt(length)) length += 1;
  return length;
}

/**
 * The shortest text after one name and not after another, to cut between neighbours.
 *
 * @param before - comes before `at` in the listing
 */
export function separator(before: string, at: string): string {
  const length = sharedLength(before, at) + 1;
  // A cut within a surrogate pair cannot be encoded as UTF-8.
  return at.slice(0, isHighSurrogate(at.charCodeAt(length - 1)) ? length + 1 : length);
}

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff;
}

/**
 * The first text after all names that start with the same `length` characters.
 *
 * @returns undefined when there is none
 */
export function afterAllWith(name: string, length: number, order: ListingOrder): string | undefined {
  if (length < 1 || length > name.length) return undefined;
  let rank = rankAt(name, length - 1, order) + 1;
  if (rank >= SURROGATES.first && rank <= SURROGATES.last) rank = SURROGATES.last + 1;
  return rank > LAST ? undefined : name.slice(0, length - 1) + String.fromCharCode(codeOf(rank, order));
}

/**
 * A text with a name's first `index` characters, followed by one about half-way between the name's own character and
 * that of `until`.
 *
 * @param until - comes after the name; absent: the end of all names
 * @returns undefined when no common character lies between
 */
export function middleAt(
  name: string,
  index: number,
  until: string | undefined,
  order: ListingOrder,
): string | undefined {
  const low = rankAt(name, index, order);
  const isStopped = until !== undefined && sharedLength(name, until) === index;
  const middle = middleRank(low, isStopped ? rankAt(until, index, order) : topAbove(low));
  return middle === undefined ? undefined : name.slice(0, index) + String.fromCharCode(codeOf(middle, order));
}

function topAbove(low: number): number {
  return low < LAST_USUAL - 1 ? LAST_USUAL : LAST + 1;
}

function middleRank(low: number, high: number): number | undefined {
  const floor = Math.max(low, FIRST_USUAL - 1);
  // The part beyond the common characters is a single step, because it is usually empty.
  let middle = floor < LAST_USUAL && high > LAST_USUAL ? LAST_USUAL : Math.floor((floor + high) / 2);
  if (middle >= SURROGATES.first && middle <= SURROGATES.last) middle = SURROGATES.first - 1;
  return middle > floor && middle < high ? middle : undefined;
}
