import fc from "fast-check";
import { describe, test } from "vitest";
import { FULL_SAFETY } from "../foundation/safety.ts";
import { decideFrozenCopy, type FrozenCopySight, staleSnapshots } from "./decide-frozen-copy.ts";

const NOW = new Date("2026-01-02T12:00:00Z");
const at = (hours: number): Date => new Date(NOW.getTime() + hours * 3_600_000);
const snapshot = (hours: number): string => at(hours).toISOString();
const BASE = { etag: "e2", isSameType: true };
const sight = (changes: Partial<FrozenCopySight>): FrozenCopySight => ({
  ...{ wanted: "e1", now: NOW, snapshots: [], objects: [] },
  ...changes,
});

describe("the copy of an append or page blob", () => {
  const rows: readonly [string, Partial<FrozenCopySight>, object][] = [
    ["begins with a snapshot", { base: { ...BASE, etag: "e1" } }, { kind: "freeze", etag: "e1" }],
    ["is of no blob that is gone", {}, { kind: "gone" }],
    ["is of no later version, unless that will do", { base: BASE }, { kind: "changed" }],
    ["is of a later version where that will do", { base: BASE, since: at(-1) }, { kind: "freeze", etag: "e2" }],
    ["is of no blob of another type", { base: { ...BASE, isSameType: false }, since: at(-1) }, { kind: "changed" }],
    [
      "uses a snapshot of exactly this version from a dead execution",
      { base: BASE, since: at(-1), snapshots: [{ id: snapshot(-1), takenAt: at(-1), etag: "e2" }] },
      { kind: "copy", etag: "e2", snapshot: snapshot(-1) },
    ],
    [
      "uses no snapshot of unknown content",
      { base: BASE, since: at(-1), snapshots: [{ id: snapshot(0), takenAt: at(0) }] },
      { kind: "freeze", etag: "e2" },
    ],
    [
      "is awaited when it exists, although the source has changed",
      { base: BASE, objects: [{ etag: "e1", copyStatus: "pending", snapshot: snapshot(-9) }] },
      { kind: "settle", etag: "e1" },
    ],
    [
      "continues with a later version that is being copied",
      { base: BASE, since: at(-2), objects: [{ etag: "e9", copyStatus: "pending", snapshot: snapshot(-1) }] },
      { kind: "settle", etag: "e9" },
    ],
    [
      "reuses nothing that was copied for an earlier point",
      { base: BASE, since: at(-2), objects: [{ etag: "e9", copyStatus: "success", snapshot: snapshot(-3) }] },
      { kind: "freeze", etag: "e2" },
    ],
    [
      "prefers complete to pending, and pending to broken objects",
      {
        since: at(-2),
        objects: [
          { etag: "e3", copyStatus: "failed", snapshot: snapshot(-1) },
          { etag: "e4", copyStatus: "pending", snapshot: snapshot(-1) },
          { etag: "e5", copyStatus: "success", snapshot: snapshot(-1) },
        ],
      },
      { kind: "settle", etag: "e5" },
    ],
  ];
  for (const [what, changes, step] of rows) {
    test(what, ({ expect }) => expect(decideFrozenCopy(sight(changes))).toEqual(step));
  }
});

test("of two objects the wanted version comes before a later one, and whole before pending before broken", ({
  expect,
}) => {
  const objects = ["success", "pending", "failed"].flatMap((copyStatus) => [
    { etag: "e1", copyStatus, snapshot: snapshot(-1) },
    { etag: "e9", copyStatus, snapshot: snapshot(-1) },
  ]);
  let compared = 0;
  for (const [i, better] of objects.entries()) {
    for (const worse of objects.slice(i + 1).filter(({ etag }) => etag !== better.etag)) {
      for (const both of [
        [better, worse],
        [worse, better],
      ]) {
        const step = decideFrozenCopy(sight({ base: BASE, since: at(-2), objects: both }));
        expect(step).toEqual({ kind: "settle", etag: better.etag });
        compared += 1;
      }
    }
  }
  expect(compared).toBe(18);
});

test.for([
  { what: "of a moment before", taken: snapshot(-3), since: at(-2), fits: false },
  { what: "of the very moment", taken: snapshot(-2), since: at(-2), fits: true },
  { what: "of no snapshot", taken: undefined, since: at(-2), fits: false },
  { what: "of a snapshot, where nothing later will do", taken: snapshot(-1), since: undefined, fits: false },
])("a later version $what fits: $fits", ({ taken, since, fits }, { expect }) => {
  const object = { etag: "e9", copyStatus: "success", ...(taken === undefined ? {} : { snapshot: taken }) };
  const step = decideFrozenCopy(sight({ ...(since === undefined ? {} : { since }), objects: [object] }));
  expect(step.kind).toBe(fits ? "settle" : "gone");
});

test("an execution lives for two hours at most", ({ expect }) => {
  expect(FULL_SAFETY.staleSnapshotMs).toBe(7_200_000);
});

test("only a snapshot that is older than any execution, and has no running copy, is deleted", ({ expect }) => {
  const hours = fc.integer({ min: -6, max: 0 });
  const status = fc.constantFrom("pending", "success", "failed", "aborted");
  const objects = fc.array(fc.record({ hours, copyStatus: status }), { maxLength: 4 });
  let removed = 0;
  fc.assert(
    fc.property(fc.uniqueArray(hours), objects, (taken, copied) => {
      const seen = sight({
        snapshots: taken.map((each) => ({ id: snapshot(each), takenAt: at(each) })),
        objects: copied.map(({ hours: each, copyStatus }, n) => ({
          etag: `e${n}`,
          copyStatus,
          snapshot: snapshot(each),
        })),
      });
      const stale = staleSnapshots(seen).map(({ id }) => id);
      for (const each of taken) {
        const isOld = -each * 3_600_000 > FULL_SAFETY.staleSnapshotMs;
        const isInUse = copied.some((one) => one.hours === each && one.copyStatus === "pending");
        expect(stale.includes(snapshot(each))).toBe(isOld && !isInUse);
      }
      removed += stale.length;
    }),
  );
  expect(removed).toBeGreaterThan(10);
});
