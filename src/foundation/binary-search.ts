/**
 * Counts the elements at the start of a list for which a condition holds, by halves.
 *
 * @param isBefore - true for the first ones, false for all others
 * @param from - elements before this one are known to be counted
 */
export function countBefore<T>(ascending: readonly T[], isBefore: (one: T) => boolean, from = 0): number {
  let low = from;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(ascending[middle] as T)) low = middle + 1;
    else high = middle;
  }
  return low;
}
