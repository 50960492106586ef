import { test } from "vitest";
import { type Activities, type FlowStep, runFlow } from "../../test/support/run-flow.ts";
import { VaultError } from "../foundation/errors.ts";
import { restoreOrchestration } from "./restore-orchestration.ts";

const JOB = { vault: "vault", job: "one" };

const calm: Activities = {
  beginRestore: () => ({ begun: true, containers: ["raw", "empty"] }),
  planSegments: () => ["raw"],
  checkRestore: () => ({}),
  endJob: ({ failure }: { failure?: object }) => (failure === undefined ? "Completed" : "Failed"),
};

function named(steps: readonly FlowStep[]): unknown[] {
  return steps.map((step) => (step.kind === "call" ? step.activity : step.events));
}

test("a restore is checked when every container with segments is restored", async ({ expect }) => {
  const run = await runFlow(restoreOrchestration, JOB, calm, [{ event: "restored.raw" }]);
  expect(run.outcome).toEqual({ ok: true, value: "Completed" });
  expect(named(run.steps)).toEqual(["beginRestore", "planSegments", ["restored.raw"], "checkRestore", "endJob"]);
});

test("a restore of empty containers waits for nothing", async ({ expect }) => {
  const run = await runFlow(restoreOrchestration, JOB, { ...calm, planSegments: () => [] });
  expect(named(run.steps)).toEqual(["beginRestore", "planSegments", "checkRestore", "endJob"]);
});

test("a restore that has already ended does nothing more", async ({ expect }) => {
  const begun = { begun: false, containers: [] };
  const run = await runFlow(restoreOrchestration, JOB, { ...calm, beginRestore: () => begun });
  expect(named(run.steps)).toEqual(["beginRestore", "endJob"]);
});

test("totals that differ from the seal fail the job with the reason", async ({ expect }) => {
  const fail = (): never => {
    throw new VaultError("restore/verification-failed", "one is missing");
  };
  const run = await runFlow(restoreOrchestration, JOB, { ...calm, checkRestore: fail }, [{ event: "restored.raw" }]);
  expect(run.outcome).toEqual({ ok: true, value: "Failed" });
  expect(run.steps.at(-1)).toMatchObject({ input: { failure: { code: "restore/verification-failed" } } });
});
