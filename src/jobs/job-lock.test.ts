import { describe, test } from "vitest";
import { INSTANCE, MemoryJobs, ONE, REQUESTED } from "../../test/support/memory-jobs.ts";
import { endJobActivity } from "./end-job.ts";
import type { Job } from "./job.ts";
import { LOCK_ROW, releaseLock, takeLock } from "./job-lock.ts";

describe("the lock of an instance", () => {
  const NOW = new Date(REQUESTED.startedAt);
  const TWO: Job = { ...REQUESTED, id: "two" };

  test("is held by one job, which may take it again", async ({ expect }) => {
    const world = new MemoryJobs();
    await world.request();
    await world.jobs.put("vault", "two", TWO);
    const take = (job: Job): Promise<string> => takeLock(world, job, NOW);
    expect(await take(REQUESTED)).toBe("one");
    expect(await take(REQUESTED)).toBe("one");
    expect(await take(TWO)).toBe("one");
    await releaseLock(world.locks, INSTANCE, "two");
    expect(await take(TWO)).toBe("one");
    await releaseLock(world.locks, INSTANCE, "one");
    expect(await take(TWO)).toBe("two");
  });

  test("is taken from a job that ended and left it behind, not from one that is being cancelled", async ({
    expect,
  }) => {
    const world = new MemoryJobs();
    await world.begin(["raw"], { status: "Cancelling" });
    expect(await takeLock(world, TWO, NOW)).toBe("one");
    await endJobActivity(world.deps, ONE);
    await world.locks.put(INSTANCE, LOCK_ROW, { job: "one", since: NOW.toISOString() });
    expect(await takeLock(world, TWO, NOW)).toBe("two");
    await releaseLock(world.locks, INSTANCE, "one");
    expect((await world.locks.get(INSTANCE, LOCK_ROW))?.value.job).toBe("two");
  });
});
