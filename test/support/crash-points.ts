import { Crash, type CrashSwitch } from "./crash-switch.ts";
import { strideOf } from "./soak-factor.ts";

/**
 * Runs an action once for every moment at which it could die, each time on a new world, until it lives through.
 *
 * @param again - runs on the world after the death, to see that a second attempt ends as a calm one
 * @param stride - every so many of the moments are tried in `npm test`; see {@link strideOf}
 * @returns where it died, in order
 */
export async function crashPoints<World extends { readonly crash: CrashSwitch }>(
  makeWorld: () => Promise<World>,
  action: (world: World) => Promise<unknown>,
  again: (world: World, where: string) => Promise<void>,
  stride = 1,
): Promise<string[]> {
  const died: string[] = [];
  for (let moment = 0; ; moment += strideOf(stride)) {
    const world = await makeWorld();
    world.crash.arm(moment);
    try {
      await action(world);
      if (world.crash.where === undefined) return died;
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
    }
    // A body may have caught the crash like any error; a real crash cannot be caught.
    const where = world.crash.where;
    if (where === undefined) throw new Error(`nothing crashed at moment ${moment}`);
    died.push(where);
    world.crash.disarm();
    await again(world, where);
  }
}
