import { test } from "vitest";
import { MemoryLake, VAULT } from "../../test/support/memory-lake.ts";
import { MemoryRecords } from "../../test/support/memory-records.ts";
import { DAY_MS } from "../foundation/durations.ts";
import type { Job } from "../jobs/job.ts";
import { SCRUB_SETTINGS } from "./scrub-settings.ts";
import { NO_SCRUB_COUNTS, SCRUB_ROW, type ScrubState } from "./scrub-state.ts";
import { type StartDueScrubDeps, startDueScrubs } from "./start-due-scrub.ts";

const INSTANCE = "1".repeat(32);

const STATE: ScrubState = {
  round: 1,
  job: "before",
  takenUpAt: "2026-01-01T00:00:00.000Z",
  startedAt: "2026-01-01T00:00:00.000Z",
  endedAt: "2026-01-01T01:00:00.000Z",
  upTo: 1,
  position: { phase: "files", after: "" },
  counts: NO_SCRUB_COUNTS,
  damage: [],
  hasUnreadSegments: false,
  first: { missing: [], altered: [], manifests: [], unconfirmed: [] },
};

async function world() {
  const lake = new MemoryLake();
  await lake.protect();
  await lake.schedules.put("all", `${VAULT}|lake`, { vault: VAULT, instanceName: "lake" });
  const scrubs = new MemoryRecords<ScrubState>();
  const requested: Job[] = [];
  const deps: StartDueScrubDeps = {
    ...lake.deps,
    scrubs,
    scrubSettings: SCRUB_SETTINGS,
    requestJob: async (job) => {
      await lake.jobs.insert(VAULT, job.id, job);
      requested.push(job);
      return job;
    },
  };
  return { lake, scrubs, requested, tick: () => startDueScrubs(deps) };
}

test("a round is started when it is due, by one job, also with two concurrent ticks", async ({ expect }) => {
  const { lake, scrubs, requested, tick } = await world();
  await scrubs.put(INSTANCE, SCRUB_ROW, STATE);
  lake.pass(29 * DAY_MS);
  expect(await tick()).toMatchObject([{ instanceName: "lake", start: false }]);
  lake.pass(DAY_MS);
  await Promise.all([tick(), tick()]);
  expect(new Set(requested.map(({ id }) => id)).size).toBe(1);
  expect(requested[0]).toMatchObject({ request: { kind: "scrub" }, requestedBy: "schedule" });
  expect(await tick()).toMatchObject([{ start: false, because: "it was started today" }]);
});

test("a running round is not started again on the next day", async ({ expect }) => {
  const { lake, scrubs, requested, tick } = await world();
  lake.pass(60 * DAY_MS);
  await tick();
  const { id = "" } = requested[0] ?? {};
  const { endedAt, ...underWay } = STATE;
  await scrubs.put(INSTANCE, SCRUB_ROW, { ...underWay, job: id });
  lake.pass(2 * DAY_MS);
  expect(await tick()).toMatchObject([{ start: false, because: "it is running" }]);
  await lake.jobs.put(VAULT, id, { ...(await lake.job(id)), status: "Failed" });
  expect(await tick()).toMatchObject([{ start: true }]);
});

test("an instance that no longer exists is skipped", async ({ expect }) => {
  const { lake, tick } = await world();
  await lake.schedules.put("all", `${VAULT}|gone`, { vault: VAULT, instanceName: "gone" });
  lake.pass(60 * DAY_MS);
  expect(await tick()).toMatchObject([
    { instanceName: "gone", start: false, because: "the instance was not found" },
    { instanceName: "lake", start: true },
  ]);
});
