import fc from "fast-check";
import { test } from "vitest";
import { LISTING_ORDERS, nameComparator } from "./listing-order.ts";

const name = fc.string({
  maxLength: 6,
  unit: fc.constantFrom("a", "b", "/", "!", ".", "é", "\u{1F600}", "\uFFFD", "0"),
});

for (const order of LISTING_ORDERS) {
  test(`${order} is a total order`, ({ expect }) => {
    const compare = nameComparator(order);
    fc.assert(
      fc.property(name, name, name, (a, b, c) => {
        expect(Math.sign(compare(a, b))).toBe(-Math.sign(compare(b, a)) + 0);
        expect(compare(a, b) === 0).toBe(a === b);
        if (compare(a, b) < 0 && compare(b, c) < 0) expect(compare(a, c)).toBeLessThan(0);
      }),
    );
  });
}

test("utf-16 sorts characters above U+FFFF before U+FFFD, as Azurite lists them", ({ expect }) => {
  expect(nameComparator("utf-16")("\u{1F600}", "\uFFFD")).toBeLessThan(0);
});

test("path lists a directory's contents before names that share only a prefix", ({ expect }) => {
  const names = ["a.txt", "a/z", "a", "a!b", "b"];
  expect(names.sort(nameComparator("path"))).toEqual(["a", "a/z", "a!b", "a.txt", "b"]);
  expect(names.sort(nameComparator("utf-16"))).toEqual(["a", "a!b", "a.txt", "a/z", "b"]);
});
