import { test } from "vitest";
import { MemoryLake, VAULT } from "../../test/support/memory-lake.ts";
import { decideIncomplete, POINT_INCOMPLETE } from "./decide-incomplete.ts";

const JOB = { instance: "1", instanceName: "lake", containers: ["a", "b", "c"] };
const left = (count: number) =>
  Array.from({ length: count }, (_, n) => ({
    container: `c${n}`,
    name: "",
    code: "container-missing",
    message: "gone",
  }));

test.for([
  [0, 100, 0, undefined],
  [0, 100, 9, undefined],
  [0, 99, 10, "warning"],
  [0, 101, 10, undefined],
  [0, 20, 10, "critical"],
  [0, 5, 5, undefined],
  [1, 100, 0, "warning"],
  [2, 100, 0, "critical"],
  [1, 100, 60, "critical"],
  [1, 0, 0, "warning"],
] as const)(
  "%i containers left out, %i blobs listed, %i of them not taken: %s",
  ([out, listed, warned, severity], { expect }) => {
    expect(decideIncomplete(JOB, left(out), { listed, warned })?.severity).toBe(severity);
  },
);

test("an alert lists what the newest point lacks, at most 20 containers, and ends with the next complete point", async ({
  expect,
}) => {
  expect(decideIncomplete(JOB, left(30), { listed: 40, warned: 20 })).toMatchObject({
    message:
      "the newest recovery point lacks 30 containers of the source; " +
      "the newest recovery point lacks 20 of 40 listed blobs",
    details: { counts: { containers: 30, blobs: 20 }, names: { length: 20, 0: "c0 (container-missing)" } },
  });
  const lake = new MemoryLake();
  await lake.protect({ kind: "chosen", names: ["gone", "raw"] });
  lake.source.createContainer("raw");
  lake.source.write("raw", "a", "x");
  const alerts = async () => (await lake.alerts.list(VAULT)).records.map(({ value }) => value);
  await lake.backup("one");
  expect(await alerts()).toMatchObject([{ kind: POINT_INCOMPLETE, details: { names: ["gone (container-missing)"] } }]);
  expect((await alerts())[0]?.resolvedAt).toBeUndefined();
  lake.source.createContainer("gone");
  await lake.backup("two");
  expect(await alerts()).toMatchObject([{ kind: POINT_INCOMPLETE, resolvedAt: expect.any(String) }]);
});
