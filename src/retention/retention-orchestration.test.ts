import { describe, test } from "vitest";
import { type Activities, type FlowStep, runFlow } from "../../test/support/run-flow.ts";
import { VaultError } from "../foundation/errors.ts";
import { retentionOrchestration } from "./retention-orchestration.ts";

describe("the orchestration", () => {
  const JOB = { vault: "vault", job: "one" };
  const calm: Activities = {
    finishPurges: () => ({ done: true }),
    sweepDebris: () => null,
    purgeExpired: () => ({ done: true }),
    endJob: ({ failure }: { failure?: object }) => (failure === undefined ? "Completed" : "Failed"),
  };
  const named = (steps: readonly FlowStep[]) => steps.map((step) => (step.kind === "call" ? step.activity : step.kind));

  test("finishes purges, sweeps, purges, and ends the job", async ({ expect }) => {
    const { steps, outcome } = await runFlow(retentionOrchestration, JOB, calm);
    expect(named(steps)).toEqual(["finishPurges", "sweepDebris", "purgeExpired", "endJob"]);
    expect(outcome).toEqual({ ok: true, value: "Completed" });
  });

  test("a step that fails permanently ends the job, and nothing is purged after it", async ({ expect }) => {
    for (const failing of ["finishPurges", "sweepDebris", "purgeExpired"]) {
      const fail = (): never => {
        throw new VaultError("datasource/forbidden", "no");
      };
      const { steps, outcome } = await runFlow(retentionOrchestration, JOB, { ...calm, [failing]: fail });
      expect(named(steps).slice(-2)).toEqual([failing, "endJob"]);
      expect(outcome).toEqual({ ok: true, value: "Failed" });
    }
    expect.assertions(6);
  });
});
