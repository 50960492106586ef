/**
 * @module
 * The order in which names are listed. Merging two listings requires the same order in both, so only this module
 * defines it.
 */

/** `utf-16`: by UTF-16 code units (flat accounts, Azurite). `path`: the same with `/` before all else (HNS). */
export const LISTING_ORDERS = ["utf-16", "path"] as const;
export type ListingOrder = (typeof LISTING_ORDERS)[number];

/** Negative when `a` is listed before `b`, 0 when they are the same name, positive otherwise. */
export type NameComparator = (a: string, b: string) => number;

function compareUtf16(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const SLASH = 0x2f;

function comparePath(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    if (x === SLASH) return -1;
    if (y === SLASH) return 1;
    return x - y;
  }
  return a.length - b.length;
}

export function nameComparator(order: ListingOrder): NameComparator {
  switch (order) {
    case "utf-16":
      return compareUtf16;
    case "path":
      return comparePath;
  }
}
