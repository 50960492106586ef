import { test } from "vitest";
import { runFlow } from "../../test/support/run-flow.ts";
import { VaultError } from "../foundation/errors.ts";
import { MAX_SCRUB_STEPS, scrubOrchestration } from "./scrub-orchestration.ts";

const JOB = { vault: "vault", job: "scrub" };

const activities = (scrubStep: () => unknown) => ({
  scrubStep,
  endJob: ({ failure }: { failure?: object }) => (failure === undefined ? "Completed" : "Failed"),
});

test("runs steps until the round is done, then ends the job", async ({ expect }) => {
  let steps = 0;
  const run = await runFlow(
    scrubOrchestration,
    JOB,
    activities(() => ({ isDone: ++steps === 3 })),
  );
  expect(run.outcome).toEqual({ ok: true, value: "Completed" });
  expect(run.steps.map((step) => step.kind === "call" && step.activity)).toEqual([
    "scrubStep",
    "scrubStep",
    "scrubStep",
    "endJob",
  ]);
  expect(run.steps.at(-1)).toMatchObject({ input: JOB });
});

test("a round that exceeds the steps of a job is left to the next job", async ({ expect }) => {
  const run = await runFlow(
    scrubOrchestration,
    JOB,
    activities(() => ({ isDone: false })),
  );
  expect(run.outcome).toEqual({ ok: true, value: "Completed" });
  expect(run.steps).toHaveLength(MAX_SCRUB_STEPS + 1);
});

test("a permanent failure ends the job with its reason", async ({ expect }) => {
  const run = await runFlow(
    scrubOrchestration,
    JOB,
    activities(() => {
      throw new VaultError("format/newer-version", "too new");
    }),
  );
  expect(run.outcome).toEqual({ ok: true, value: "Failed" });
  expect(run.steps.at(-1)).toMatchObject({ input: { failure: { code: "format/newer-version" } } });
});
