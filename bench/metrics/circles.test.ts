import { test } from "vitest";
import { circlesOf } from "./circles.ts";

const importing = (imports: Readonly<Record<string, readonly string[]>>): Map<string, Set<string>> =>
  new Map(Object.entries(imports).map(([member, imported]) => [member, new Set(imported)]));

test("members that import each other, directly or indirectly, form one circle", ({ expect }) => {
  const imports = importing({
    c: ["b"],
    a: ["b"],
    b: ["d"],
    d: ["c"],
    y: ["x", "a"],
    x: ["y"],
    alone: ["a", "unknown"],
  });
  expect(circlesOf(imports)).toEqual([
    ["b", "c", "d"],
    ["x", "y"],
  ]);
});

test("two ways to one member are not a circle", ({ expect }) => {
  expect(circlesOf(importing({ a: ["b", "c"], b: ["d"], c: ["d"], d: [] }))).toEqual([]);
});

test("a member that imports itself forms no circle with others", ({ expect }) => {
  expect(circlesOf(importing({ a: ["a", "b"], b: [] }))).toEqual([]);
});
