/**
 * @module
 * The watchdog on a host that polls and leases as in Azure: what a dead worker has leased comes back after ten minutes.
 */
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, test } from "vitest";
import { MINUTE_MS } from "../../src/foundation/durations.ts";
import { GIVEN_URL } from "./support/estate.ts";
import { MovedEstate, restoresWhole } from "./support/moved-estate.ts";

let moved: MovedEstate;

beforeAll(async () => {
  if (GIVEN_URL === undefined) moved = await MovedEstate.open(["--production"]);
});
afterAll(() => moved?.close());

/** Messages of a queue that somebody works on, or that a dead worker has left. */
async function leasedMessages(name: string): Promise<number> {
  const queue = moved.estate.queues.getQueueClient(name);
  if (!(await queue.exists())) return 0;
  const { approximateMessagesCount = 0 } = await queue.getProperties();
  // Those that can be seen are nobody's.
  const { peekedMessageItems } = await queue.peekMessages({ numberOfMessages: 32 });
  return approximateMessagesCount - peekedMessageItems.length;
}

test.skipIf(GIVEN_URL !== undefined)(
  "a job ends long before the messages come back that its dead worker has leased for ten minutes",
  { timeout: 120_000 },
  async ({ expect }) => {
    const lake = await moved.protectedLake(300);
    const job = await lake.startBackup();
    await expect.poll(() => leasedMessages("container-copy"), { timeout: 30_000, interval: 20 }).toBeGreaterThan(0);
    let leased = 0;
    await moved.estate.killAndRestart?.(async () => {
      leased = await leasedMessages("container-copy");
    });
    expect(leased).toBeGreaterThan(0);
    const diedAt = moved.time.now().getTime();
    // It died before its job was looked at for the first time: one look begins the watch, and one sees how far the job is.
    for (let minute = 0; minute < 3; minute++) {
      await moved.pass(1);
      await setTimeout(1_500);
    }
    expect((await lake.wait(job)).properties.status).toBe("Completed");
    // The messages of the dead worker cannot have come back.
    expect(moved.time.now().getTime() - diedAt).toBeLessThan(5 * MINUTE_MS);
    await restoresWhole(lake, expect);
  },
);
