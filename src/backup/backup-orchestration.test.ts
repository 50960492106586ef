import { test } from "vitest";
import { type Activities, type FlowStep, runFlow } from "../../test/support/run-flow.ts";
import { VaultError } from "../foundation/errors.ts";
import { backupOrchestration } from "./backup-orchestration.ts";

const JOB = { vault: "vault", job: "one" };

const calm: Activities = {
  finishPurges: () => ({ done: true }),
  beginBackup: () => ({ begun: true, containers: ["raw", "$web"] }),
  writeMarkers: () => null,
  planRanges: () => null,
  sealRecoveryPoint: () => ({}),
  removeMarkers: () => null,
  endJob: ({ failure }: { failure?: object }) => (failure === undefined ? "Completed" : "Failed"),
  sweepDebris: () => null,
};

function named(steps: readonly FlowStep[]): unknown[] {
  return steps.map((step) => (step.kind === "call" ? step.activity : step.events));
}

const REPLICATED = [{ event: "replicated._web" }, { event: "replicated.raw" }];

test("a point is sealed only after markers were written before the ranges and replicated after them", async ({
  expect,
}) => {
  const run = await runFlow(backupOrchestration, JOB, calm, REPLICATED);
  expect(run.outcome).toEqual({ ok: true, value: "Completed" });
  expect(named(run.steps)).toEqual([
    "finishPurges",
    "beginBackup",
    "writeMarkers",
    "planRanges",
    ["replicated.raw", "replicated._web"],
    "sealRecoveryPoint",
    "endJob",
    "removeMarkers",
    "sweepDebris",
  ]);
});

test("a job that has already ended is only cleaned up", async ({ expect }) => {
  const begun = { begun: false, containers: [] };
  const run = await runFlow(backupOrchestration, JOB, { ...calm, beginBackup: () => begun });
  expect(named(run.steps)).toEqual(["finishPurges", "beginBackup", "endJob", "removeMarkers", "sweepDebris"]);
});

test("wherever a step fails permanently, nothing is sealed after it, and the job ends with the reason", async ({
  expect,
}) => {
  const steps = ["finishPurges", "beginBackup", "writeMarkers", "planRanges", "sealRecoveryPoint"];
  for (const failing of steps) {
    const fail = (): never => {
      throw new VaultError("datasource/forbidden", "no right to read");
    };
    const run = await runFlow(backupOrchestration, JOB, { ...calm, [failing]: fail }, REPLICATED);
    expect(run.outcome, failing).toEqual({ ok: true, value: "Failed" });
    const after = named(run.steps).slice(named(run.steps).indexOf(failing) + 1);
    // Without its markers a restarted job would treat its containers as recreated ones.
    expect(after, failing).toEqual(["endJob", "removeMarkers"]);
    expect(run.steps.at(-2), failing).toMatchObject({
      input: { ...JOB, failure: { code: "datasource/forbidden", message: "no right to read" } },
    });
  }
  expect.assertions(3 * steps.length);
});

test("a job that is failed while it waits ends at once", async ({ expect }) => {
  const events = [
    { event: "replicated.raw" },
    { event: "failed", value: { code: "message/poisoned", message: "5 times" } },
  ];
  const run = await runFlow(backupOrchestration, JOB, calm, events);
  expect(named(run.steps)).not.toContain("sealRecoveryPoint");
  expect(run.steps.at(-2)).toMatchObject({ activity: "endJob", input: { failure: { code: "message/poisoned" } } });
});

test("markers that cannot be deleted do not fail a sealed backup", async ({ expect }) => {
  const fail = (): never => {
    throw new VaultError("storage/unavailable", "gone");
  };
  const run = await runFlow(backupOrchestration, JOB, { ...calm, removeMarkers: fail }, REPLICATED);
  expect(run.outcome).toEqual({ ok: true, value: "Completed" });
  expect(run.steps.at(-3)).toMatchObject({ activity: "endJob", input: JOB });
});

test("debris is swept in as many steps as it takes, after the job has ended", async ({ expect }) => {
  const stops = [{ sequence: 7, path: "data/raw/m" }, { sequence: 7, path: "data/raw/x" }, null];
  const sweepDebris = ({ from }: { from?: object }) =>
    stops[from === undefined ? 0 : 1 + stops.findIndex((stop) => JSON.stringify(stop) === JSON.stringify(from))];
  const run = await runFlow(backupOrchestration, JOB, { ...calm, sweepDebris }, REPLICATED);
  expect(named(run.steps).slice(-5)).toEqual(["endJob", "removeMarkers", "sweepDebris", "sweepDebris", "sweepDebris"]);
  expect(run.steps.at(-1)).toMatchObject({ input: { ...JOB, from: stops[1] } });
});

test("unfinished purges are finished, in as many steps as it takes, before anything else", async ({ expect }) => {
  const from = { recoveryPoint: "p", container: "raw", segment: 3 };
  const ends = [{ done: false }, { done: false, from }, { done: true }];
  const asked: unknown[] = [];
  const finishPurges = (input: object) => {
    asked.push(input);
    return ends[asked.length - 1];
  };
  const run = await runFlow(backupOrchestration, JOB, { ...calm, finishPurges }, REPLICATED);
  expect(asked).toEqual([JOB, JOB, { ...JOB, from }]);
  expect(named(run.steps).slice(0, 4)).toEqual(["finishPurges", "finishPurges", "finishPurges", "beginBackup"]);
});

test("debris that cannot be swept does not fail a sealed backup", async ({ expect }) => {
  const fail = (): never => {
    throw new VaultError("storage/unavailable", "gone");
  };
  const run = await runFlow(backupOrchestration, JOB, { ...calm, sweepDebris: fail }, REPLICATED);
  expect(run.outcome).toEqual({ ok: true, value: "Completed" });
});
