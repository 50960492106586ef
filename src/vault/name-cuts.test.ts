import fc from "fast-check";
import { test } from "vitest";
import { LISTING_ORDERS, nameComparator } from "./listing-order.ts";
import { afterAllWith, middleAt, separator, sharedLength } from "./name-cuts.ts";

const order = fc.constantFrom(...LISTING_ORDERS);
const name = fc.oneof(
  fc.string({
    unit: fc.constantFrom("a", "b", "z", "/", ".", "0", "9", "~", " ", "ü", "😀", "\u{fffd}"),
    maxLength: 8,
  }),
  fc.string({ maxLength: 8 }),
);

test("a separator lies after one name and not after the other, and is as short as possible", ({ expect }) => {
  let tried = 0;
  fc.assert(
    fc.property(name, name, order, (a, b, by) => {
      const compare = nameComparator(by);
      fc.pre(a !== b);
      const [before, at] = compare(a, b) < 0 ? [a, b] : [b, a];
      const cut = separator(before, at);
      expect(compare(before, cut)).toBeLessThan(0);
      expect(compare(cut, at)).toBeLessThanOrEqual(0);
      expect(at.startsWith(cut)).toBe(true);
      tried += 1;
    }),
  );
  expect(tried).toBeGreaterThan(50);
});

test("a middle lies strictly between, and keeps the given common prefix", ({ expect }) => {
  let found = 0;
  fc.assert(
    fc.property(name, fc.option(name, { nil: undefined }), fc.nat(8), order, (a, b, index, by) => {
      const compare = nameComparator(by);
      fc.pre(a !== b);
      const [from, until] = b === undefined || compare(a, b) < 0 ? [a, b] : [b, a];
      fc.pre(index <= from.length && (until === undefined || index >= sharedLength(from, until)));
      const middle = middleAt(from, index, until, by);
      if (middle === undefined) return;
      expect(compare(from, middle)).toBeLessThan(0);
      if (until !== undefined) expect(compare(middle, until)).toBeLessThan(0);
      expect(middle.slice(0, index)).toBe(from.slice(0, index));
      found += 1;
    }),
  );
  expect(found).toBeGreaterThan(20);
});

test.for([
  ["", 0, undefined, "O"],
  ["part-00000", 5, "part-99999", "part-4"],
  ["day=01/a", 6, "day=02", "day=01W"],
  ["a", 0, "c", "b"],
  ["a", 0, "b", undefined],
  ["logs", 0, undefined, "u"],
] as const)("between '%s' from %i on and '%s' lies '%s'", ([from, index, until, middle], { expect }) => {
  expect(middleAt(from, index, until, "utf-16")).toBe(middle);
});

test("the end of a prefix follows every name that has it, and nothing else lies between", ({ expect }) => {
  fc.assert(
    fc.property(name, name, order, (beginning, rest, by) => {
      const compare = nameComparator(by);
      const after = afterAllWith(beginning, beginning.length, by);
      if (after === undefined) return;
      expect(compare(beginning + rest, after)).toBeLessThan(0);
    }),
  );
});
