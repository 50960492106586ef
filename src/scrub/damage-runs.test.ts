import fc from "fast-check";
import { test } from "vitest";
import type { RecoveryPoint } from "../instances/recovery-point.ts";
import { addDamage, damageFrom, damageOf, markDamage } from "./damage-runs.ts";
import type { DamageRun } from "./scrub-state.ts";

const kinds = ["missing", "altered", "manifests"] as const;

test("a point's damage is the sum of all that is needed up to it or beyond, also after earlier runs were dropped", async ({
  expect,
}) => {
  const damaged = fc.record({ kind: fc.constantFrom(...kinds), until: fc.integer({ min: 1, max: 9 }) });
  fc.assert(
    fc.property(fc.array(damaged), fc.integer({ min: 1, max: 10 }), (things, sequence) => {
      let runs: readonly DamageRun[] = [];
      for (const { kind, until } of things) runs = addDamage(runs, kind, until, 1);
      const count = (wanted: string): number =>
        things.filter(({ kind, until }) => kind === wanted && until >= sequence).length;
      const sum = { missing: count("missing"), altered: count("altered"), manifests: count("manifests") };
      const isWhole = Object.values(sum).every((number) => number === 0);
      expect(damageOf(damageFrom(runs, sequence), sequence)).toEqual(isWhole ? undefined : sum);
      expect(runs.length).toBe(new Set(things.map(({ until }) => until)).size);
    }),
  );
});

test("a mark keeps the time when its damage was first found, and is removed with it", ({ expect }) => {
  const row = { id: "one", sequence: 1 } as RecoveryPoint;
  const [monday, tuesday] = [new Date("2026-06-01T00:00:00.000Z"), new Date("2026-06-02T00:00:00.000Z")];
  const one = { missing: 1, altered: 0, manifests: 0 };
  const marked = markDamage(row, one, monday);
  expect(marked.damage).toEqual({ ...one, foundAt: monday.toISOString() });
  expect(markDamage(marked, one, tuesday)).toBe(marked);
  expect(markDamage(marked, { ...one, missing: 2 }, tuesday).damage).toEqual({
    ...one,
    missing: 2,
    foundAt: monday.toISOString(),
  });
  expect(markDamage(marked, undefined, tuesday)).toEqual(row);
  expect(markDamage(row, undefined, tuesday)).toBe(row);
});
