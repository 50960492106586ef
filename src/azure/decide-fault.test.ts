import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { test } from "vitest";
import { afterRetries, decideFault, FAULT_STEPS, type FaultVerdict } from "./decide-fault.ts";
import { aboutOf, FAULT_CODES } from "./fault-table.ts";

/** The codes that the SDK was generated with; its package does not export them. */
function codesOfSdk(): string[] {
  const entry = createRequire(import.meta.url).resolve("@azure/storage-blob");
  const models = join(dirname(entry), "../esm/generated/src/models/index.d.ts");
  const [, body = ""] = /enum KnownStorageErrorCode \{(.*?)\n\}/s.exec(readFileSync(models, "utf8")) ?? [];
  return [...body.matchAll(/= "(\w+)"/g)].map(([, code = ""]) => code);
}

test("every code of the SDK is in the table, once", ({ expect }) => {
  const codes = codesOfSdk();
  expect(codes.length).toBeGreaterThan(100);
  expect(codes.filter((code) => !FAULT_CODES.has(code))).toEqual([]);
});

test("every code and every status means exactly one thing at every step, with a reason", ({ expect }) => {
  const answers = [
    ...[...FAULT_CODES.keys()].map((code) => ({ status: 409, code })),
    ...[0, 304, 400, 401, 403, 404, 405, 408, 409, 412, 413, 416, 418, 429, 500, 501, 502, 503, 504, 507].map(
      (status) => ({ status, code: "" }),
    ),
  ];
  let decided = 0;
  for (const answer of answers) {
    for (const step of FAULT_STEPS) {
      for (const side of ["source", "vault"] as const) {
        const { verdict, reason } = decideFault(answer, step, side);
        expect(["retry", "warning", "container-skipped", "job-failed"]).toContain(verdict);
        expect(reason).not.toBe("");
        decided += 1;
      }
    }
  }
  expect(decided).toBeGreaterThan(1_500);
});

test.for<readonly [number, string, Readonly<Partial<Record<(typeof FAULT_STEPS)[number], FaultVerdict>>>]>([
  [
    503,
    "ServerBusy",
    { listing: "retry", look: "retry", snapshot: "retry", copy: "retry", marker: "retry", seal: "retry" },
  ],
  [
    409,
    "BlobImmutableDueToPolicy",
    { snapshot: "warning", copy: "warning", marker: "container-skipped", seal: "job-failed" },
  ],
  [400, "InvalidHeaderValue", { look: "warning", copy: "warning", listing: "container-skipped", seal: "job-failed" }],
  [418, "SomethingNew", { look: "warning", snapshot: "warning", copy: "warning", marker: "container-skipped" }],
  [404, "ContainerNotFound", { listing: "container-skipped", copy: "container-skipped", seal: "job-failed" }],
  [
    409,
    "ContainerBeingDeleted",
    { listing: "container-skipped", copy: "container-skipped", marker: "container-skipped" },
  ],
  [409, "ContainerDisabled", { listing: "container-skipped", copy: "container-skipped", marker: "container-skipped" }],
  [
    403,
    "AuthorizationPermissionMismatch",
    { look: "warning", copy: "warning", listing: "container-skipped", seal: "retry" },
  ],
  [403, "AccountIsDisabled", { look: "job-failed", copy: "job-failed", listing: "job-failed", marker: "job-failed" }],
  [401, "", { listing: "job-failed", copy: "job-failed", marker: "job-failed", seal: "retry" }],
  [404, "BlobNotFound", { look: "retry", copy: "retry" }],
  [412, "", { copy: "retry" }],
  [500, "", { listing: "retry", copy: "retry", seal: "retry" }],
  [500, "CannotVerifyCopySource", { copy: "retry" }],
  [403, "CannotVerifyCopySource", { copy: "warning" }],
])("status %i, code '%s': %o", ([status, code, verdicts], { expect }) => {
  for (const step of FAULT_STEPS) {
    const verdict = verdicts[step];
    if (verdict !== undefined) expect(decideFault({ status, code }, step).verdict, step).toBe(verdict);
  }
});

test("a refusal by the vault is never attributed to the source", ({ expect }) => {
  expect(decideFault({ status: 403, code: "AuthorizationFailure" }, "copy", "vault").verdict).toBe("retry");
  expect(decideFault({ status: 404, code: "ContainerNotFound" }, "copy", "vault").verdict).toBe("job-failed");
  expect(decideFault({ status: 400, code: "InvalidMetadata" }, "copy", "vault").verdict).toBe("warning");
});

test("after all retries one blob becomes a warning, and other errors fail the job", ({ expect }) => {
  expect(FAULT_STEPS.map((step) => [step, afterRetries(step).verdict])).toEqual([
    ["listing", "job-failed"],
    ["look", "warning"],
    ["snapshot", "warning"],
    ["copy", "warning"],
    ["marker", "job-failed"],
    ["seal", "job-failed"],
  ]);
});

test("for an unknown code the status decides", ({ expect }) => {
  const about = (status: number) => aboutOf({ status, code: "SomethingNew" });
  expect([0, 408, 429, 500, 599].map(about)).toEqual(["moment", "moment", "moment", "moment", "moment"]);
  expect([401, 403, 404, 412, 400, 409].map(about)).toEqual(["account", "right", "race", "race", "blob", "blob"]);
});
