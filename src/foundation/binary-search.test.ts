import fc from "fast-check";
import { test } from "vitest";
import { countBefore } from "./binary-search.ts";

test("counts what comes before, as a plain loop does, and asks few of the elements", ({ expect }) => {
  const sorted = fc.array(fc.nat(50)).map((list) => list.sort((a, b) => a - b));
  fc.assert(
    fc.property(sorted, fc.nat(50), (list, limit) => {
      let asked = 0;
      const isBefore = (one: number): boolean => {
        asked += 1;
        return one < limit;
      };
      const before = list.filter((one) => one < limit).length;
      expect(countBefore(list, isBefore)).toBe(before);
      expect(asked).toBeLessThanOrEqual(Math.ceil(Math.log2(list.length + 1)));
      expect(countBefore(list, isBefore, before)).toBe(before);
    }),
  );
  expect.hasAssertions();
});
