/**
 * Finds up to which recovery point each of many things is needed. What a point needs, the points after it need in an
 * unbroken run; so halving finds the end of all runs, and each point is asked at most once about each thing, most points
 * not at all.
 *
 * @param count - of points, from the one that needs all of the things (0) to the newest
 * @param isNeeded - asks one point; per thing undefined when nobody can tell. Such a point is passed over
 * @returns the ordinal of the last point that is known to need it, by thing
 */
export async function findRunEnds<T>(
  things: readonly T[],
  count: number,
  isNeeded: (point: number, things: readonly T[]) => Promise<readonly (boolean | undefined)[]>,
): Promise<Map<T, number>> {
  const ends = new Map<T, number>();

  /** The things are needed at `low`; their runs end there or later, and not after `high`. */
  async function search(some: readonly T[], low: number, high: number): Promise<void> {
    if (some.length === 0) return;
    if (low === high) {
      for (const thing of some) ends.set(thing, low);
      return;
    }
    const middle = Math.ceil((low + high) / 2);
    let unsure = some;
    // Beyond a point that cannot tell, the next one that can says the same of both.
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
