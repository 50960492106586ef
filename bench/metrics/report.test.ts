import { test } from "vitest";
import { formatTable } from "../table.ts";
import { type Measures, measure } from "./measure.ts";
import { readSource } from "./read-source.ts";
import { listFindings, type Snapshot, tabulateMost, tabulateNumbers } from "./report.ts";

const NOTHING = measure([]);

function snapshot(name: string, product: Partial<Measures>): Snapshot {
  return { name, measures: { product: { ...NOTHING, ...product }, tests: NOTHING, local: NOTHING } };
}

const now = snapshot("now", measure([readSource("src/a/a.ts", "function f(x: 1, y: 2) {\n}\n\n")]));

test("one snapshot has a column per group", ({ expect }) => {
  const { head, rows } = tabulateNumbers([now]);
  expect(head).toEqual(["", "product", "tests", "local"]);
  expect(rows).toContainEqual(["lines", "3", "0", "0"]);
  expect(rows).toContainEqual(["parameters, most", "2", "0", "0"]);
});

test("two snapshots are side by side in each group", ({ expect }) => {
  const before = snapshot("abc", { files: 1_200, fileCircles: [["a.ts", "b.ts"]] });
  const { head, rows } = tabulateNumbers([before, now]);
  expect(head).toEqual(["", "product abc", "product now", "tests abc", "tests now", "local abc", "local now"]);
  expect(rows).toContainEqual(["files", "1,200", "1", "0", "0", "0", "0"]);
  expect(rows).toContainEqual(["circles of files", "1", "0", "0", "0", "0", "0"]);
});

test("a maximum is listed with its place, and nothing where there is none", ({ expect }) => {
  const table = formatTable(tabulateMost([snapshot("abc", {}), now]));
  expect(table).toMatch(/^product, longest file +src\/a\/a\.ts \(3\)$/m);
  expect(table).toMatch(/^product, longest function +src\/a\/a\.ts:1 \(2\)$/m);
  expect(table).toMatch(/^tests, most parameters$/m);
});

test("each circle, repeated block and named file has a line", ({ expect }) => {
  const findings = listFindings([
    snapshot("abc", {
      fileCircles: [["a.ts", "b.ts"]],
      roomCircles: [["a", "b"]],
      repeated: [
        {
          lines: 12,
          places: [
            { path: "a.ts", from: 1, to: 14 },
            { path: "b.ts", from: 3, to: 16 },
          ],
        },
      ],
    }),
    snapshot("now", { reexports: ["index.ts"], contracts: ["contract.ts"] }),
  ]);
  expect(findings).toEqual([
    "abc, product, circle of files: a.ts, b.ts",
    "abc, product, circle of rooms: a, b",
    "abc, product, repeated block: 12 lines, a.ts:1-14 and b.ts:3-16",
    "now, product, only re-exports: index.ts",
    "now, product, named contract.ts: contract.ts",
  ]);
});
