/**
 * Finds the last recovery point that needs each of many files. Consecutive points need a file, so bisection finds the
 * end of all runs; each point is checked at most once per file, most points not at all.
 *
 * @param count - number of points, from the one that needs all of the files (0) to the newest
 * @param isNeeded - checks one point; undefined for a file when unknown. Such a point is skipped
 * @returns ordinal of the last point that is known to need it, by file
 */
export async function findRunEnds<T>(
  things: readonly T[],
  count: number,
  isNeeded: (point: number, things: readonly T[]) => Promise<readonly (boolean | undefined)[]>,
): Promise<Map<T, number>> {
  const ends = new Map<T, number>();

  /** `low` needs the files; their runs end there or later, and not after `high`. */
  async function search(some: readonly T[], low: number, high: number): Promise<void> {
    if (some.length === 0) return;
    if (low === high) {
      for (const thing of some) ends.set(thing, low);
      return;
    }
    const middle = Math.ceil((low + high) / 2);
    let unsure = some;
    // Beyond an unreadable point, the next readable one decides for both.
    for (let point = middle; point <= high && unsure.length > 0; point++) {
      const answers = await isNeeded(point, unsure);
      const those = (answer: boolean | undefined): T[] => unsure.filter((_, i) => answers[i] === answer);
      await search(those(true), point, high);
      await search(those(false), low, middle - 1);
      unsure = those(undefined);
    }
    await search(unsure, low, middle - 1);
  }

  await search(things, 0, count - 1);
  return ends;
}
