import { test } from "vitest";
import { formatTable } from "../table.ts";
import { readTestTimes, type TestRun, tabulateFileTimes, tabulateSlowest } from "./test-times.ts";

interface File {
  readonly name: string;
  readonly span: readonly [startTime: number, endTime: number];
  readonly tests?: Readonly<Record<string, number | undefined>>;
}

function run(name: string, files: readonly File[]): TestRun {
  const testResults = files.map(({ name, span: [startTime, endTime], tests = {} }) => ({
    name,
    startTime,
    endTime,
    assertionResults: Object.entries(tests).map(([fullName, duration]) => ({ fullName, duration })),
  }));
  return { name, times: readTestTimes({ testResults }) };
}

test("files are listed with their seconds, the slowest first, then their sum and the elapsed time", ({ expect }) => {
  const now = run("now", [
    { name: "/any/place/src/a/quick.test.ts", span: [1_000, 2_000] },
    { name: "/any/place/test/e2e/slow.test.ts", span: [1_500, 4_550] },
  ]);
  expect(formatTable(tabulateFileTimes([now]))).toBe(
    [
      "seconds by file        now",
      "test/e2e/slow.test.ts  3.0",
      "src/a/quick.test.ts    1.0",
      "total                  4.0",
      "from start to end      3.5",
    ].join("\n"),
  );
});

test("two runs are side by side, wherever they ran and whichever files each had", ({ expect }) => {
  const before = run("before", [
    { name: "/first/place/src/a.test.ts", span: [0, 1_000] },
    { name: "/first/place/src/gone.test.ts", span: [0, 9_000] },
  ]);
  const now = run("now", [
    { name: "/second/src/a.test.ts", span: [0, 2_000] },
    { name: "/second/src/new.test.ts", span: [0, 3_000] },
  ]);
  expect(tabulateFileTimes([before, now]).rows).toEqual([
    ["src/new.test.ts", "", "3.0"],
    ["src/a.test.ts", "1.0", "2.0"],
    ["src/gone.test.ts", "9.0", ""],
    ["total", "10.0", "5.0"],
    ["from start to end", "9.0", "3.0"],
  ]);
});

test("the ten slowest tests are listed, whatever their file; a test that did not run took no time", ({ expect }) => {
  const many = Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`takes ${n}`, n * 1_000]));
  const now = run("now", [
    { name: "/p/src/a.test.ts", span: [0, 0], tests: { ...many, skipped: undefined } },
    { name: "/p/src/b.test.ts", span: [0, 0], tests: { slowest: 60_000 } },
  ]);
  const { rows } = tabulateSlowest([now]);
  expect(rows).toHaveLength(10);
  expect(rows.slice(0, 2)).toEqual([
    ["src/b.test.ts: slowest", "60.0"],
    ["src/a.test.ts: takes 9", "9.0"],
  ]);
  expect(rows.at(-1)).toEqual(["src/a.test.ts: takes 1", "1.0"]);
});

test("a file that is not a report is refused", ({ expect }) => {
  expect(() => readTestTimes({ tests: [] })).toThrow("testResults");
});
