import { Crash, type CrashSwitch } from "./crash-switch.ts";

/**
 * Runs an action once for every moment at which it could crash, each time on a new world, until it completes.
 *
 * @param again - runs on the world after the crash, to check that a second attempt ends like one without faults
 * @returns where it crashed, in order
 */
export async function crashPoints<World extends { readonly crash: CrashSwitch }>(
  makeWorld: () => Promise<World>,
  action: (world: World) => Promise<unknown>,
  again: (world: World, where: string) => Promise<void>,
): Promise<string[]> {
  const died: string[] = [];
  for (let moment = 0; ; moment++) {
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
