import { describe, test } from "vitest";
import type { RestoreRequest } from "../jobs/job.ts";
import { checkTargetFree, planRestore } from "./plan-restore.ts";

const request = (containers?: string[], account = "restored"): RestoreRequest => ({
  kind: "restore",
  recoveryPoint: "p1",
  target: { account, resourceId: `/accounts/${account}` },
  ...(containers === undefined ? {} : { containers }),
});

describe("the plan", () => {
  test("is all of the recovery point, or the chosen containers in their order", ({ expect }) => {
    expect(planRestore(request(), "prodlake", ["a", "b"])).toEqual({ containers: ["a", "b"] });
    expect(planRestore(request(["b", "a"]), "prodlake", ["a", "b", "c"])).toEqual({ containers: ["b", "a"] });
    expect(planRestore(request(), undefined, [])).toEqual({ containers: [] });
  });

  test("is refused for a container that the point does not contain, by name", ({ expect }) => {
    expect(() => planRestore(request(["a", "x", "y"]), "prodlake", ["a"])).toThrow(
      expect.objectContaining({
        code: "restore/container-not-in-recovery-point",
        message: "recovery point 'p1' does not contain 'x', 'y'",
      }),
    );
  });

  test("is refused for the account that is backed up, case-insensitive", ({ expect }) => {
    for (const account of ["prodlake", "ProdLake"]) {
      expect(() => planRestore(request(undefined, account), "prodLAKE", ["a"])).toThrow(
        expect.objectContaining({ code: "restore/target-is-source", hint: expect.any(String) }),
      );
    }
    expect.assertions(2);
  });
});

test("a target that has some of the containers is refused, with their names", ({ expect }) => {
  expect(() => checkTargetFree("restored", ["a", "b"])).toThrow(
    expect.objectContaining({
      code: "restore/target-container-exists",
      message: "account 'restored' already has 'a', 'b'",
    }),
  );
  expect(checkTargetFree("restored", [])).toBeUndefined();
});
