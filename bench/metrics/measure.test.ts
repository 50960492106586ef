import { test } from "vitest";
import { groupOf, measure } from "./measure.ts";
import { readSource, type Source } from "./read-source.ts";

const read = (texts: Readonly<Record<string, string>>): Source[] =>
  Object.entries(texts).map(([path, text]) => readSource(path, text));

test("tests are recognised in any folder, and measurements belong to no group", ({ expect }) => {
  expect(["src/a/b.ts", "functions/index.ts"].map(groupOf)).toEqual(["product", "product"]);
  expect(["src/a/b.test.ts", "bench/b.test.ts", "test/support/b.ts"].map(groupOf)).toEqual(["tests", "tests", "tests"]);
  expect(groupOf("local/start.ts")).toBe("local");
  expect(groupOf("bench/table.ts")).toBeUndefined();
});

test("files and functions are counted, with medians, and maxima with their places", ({ expect }) => {
  const measures = measure(
    read({
      "src/a/one.ts": "let a = 1;\n",
      "src/a/two.ts": "\nfunction f(x: number) {\n  x;\n}\n",
      "src/a/three.ts": "function g() {}\nfunction h(a: 1, b: 2) {}\n",
      "src/a/four.ts": "\n\n\n\n",
    }),
  );
  expect(measures).toMatchObject({ files: 4, lines: 11, functions: 3 });
  expect(measures.fileLines).toEqual({ median: 3, most: { place: "src/a/two.ts", amount: 4 } });
  expect(measures.functionLines).toEqual({ median: 1, most: { place: "src/a/two.ts:2", amount: 3 } });
  expect(measures.parameters).toEqual({ median: 1, most: { place: "src/a/three.ts:2", amount: 2 } });
});

test("an even number of files has the mean of the two in the middle", ({ expect }) => {
  const texts = { "a.ts": "\n", "b.ts": "\n\n\n\n", "c.ts": "\n\n", "d.ts": "\n\n\n\n\n\n\n" };
  expect(measure(read(texts)).fileLines.median).toBe(3);
});

test("an empty group has zeros", ({ expect }) => {
  const none = { median: 0, most: undefined };
  expect(measure([])).toMatchObject({ files: 0, lines: 0, fileLines: none, functionLines: none, parameters: none });
});

test("folders may form a circle where no files do", ({ expect }) => {
  const measures = measure(
    read({
      "src/a/one.ts": 'import "../b/one.ts";\n',
      "src/b/one.ts": "export {};\n",
      "src/b/two.ts": 'import "../a/one.ts";\nimport "../c/one.ts";\n',
      "src/c/one.test.ts": 'import "../b/two.ts";\n',
      "src/c/one.ts": 'import type { d } from "./two.ts";\n',
      "src/c/two.ts": 'import "./one.ts";\n',
    }),
  );
  expect(measures.roomCircles).toEqual([["a", "b"]]);
  expect(measures.fileCircles).toEqual([["src/c/one.ts", "src/c/two.ts"]]);
});

test("files that only re-export, and those named contract.ts, are listed by name", ({ expect }) => {
  const measures = measure(
    read({
      "src/a/contract.ts": "export const a = 1;\n",
      "src/a/index.ts": 'export * from "./contract.ts";\n',
      "src/a/job-contract.ts": "export const b = 1;\n",
    }),
  );
  expect(measures.contracts).toEqual(["src/a/contract.ts"]);
  expect(measures.reexports).toEqual(["src/a/index.ts"]);
});
