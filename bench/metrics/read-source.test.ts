import { test } from "vitest";
import { readSource } from "./read-source.ts";

const source = (...lines: readonly string[]): string => `${lines.join("\n")}\n`;

test("lines are counted to the last one that ends", ({ expect }) => {
  expect(readSource("a.ts", "let a = 1;\n\nlet b = 2;\n").lines).toBe(3);
  expect(readSource("a.ts", "let a = 1;\nlet b = 2;").lines).toBe(2);
});

test("functions with a name or with statements are listed with their lines and parameters", ({ expect }) => {
  const text = source(
    "// Ümläute – and more than one byte a letter",
    "export function plain(a: number, { b, c }: Pair, ...rest: string[]): void {",
    "  work();",
    "}",
    "const arrow = (a: number): number => a;",
    "class Box {",
    "  readonly onDone = (): void => undefined;",
    "  constructor(",
    "    a: number,",
    "  ) {}",
    "  abstract later(a: number): void;",
    "  get size(): number {",
    "    return 1;",
    "  }",
    "}",
    "test('named by its text only', () => {",
    "  [1].map((n) => n + 1);",
    "});",
  );
  expect(readSource("a.ts", text).functions).toEqual([
    { line: 2, lines: 3, parameters: 3 },
    { line: 5, lines: 1, parameters: 1 },
    { line: 7, lines: 1, parameters: 0 },
    { line: 8, lines: 3, parameters: 1 },
    { line: 12, lines: 3, parameters: 0 },
    { line: 16, lines: 3, parameters: 0 },
  ]);
});

test("imports and re-exports of the project's own files are listed once each, as paths of the project", ({
  expect,
}) => {
  const text = source(
    'import { readFile } from "node:fs/promises";',
    'import { a } from "./a.ts";',
    'import type { B } from "../other/b.ts";',
    'export type { C } from "./a.ts";',
    'export * from "./d.ts";',
  );
  expect(readSource("src/room/x.ts", text).imports).toEqual(["src/room/a.ts", "src/other/b.ts", "src/room/d.ts"]);
});

test("a file that only re-exports is distinguished from one with code of its own", ({ expect }) => {
  const onlyReexports = (...lines: readonly string[]): boolean => readSource("a.ts", source(...lines)).onlyReexports;
  expect(onlyReexports('export { a } from "./a.ts";', 'export type * from "./b.ts";')).toBe(true);
  expect(onlyReexports('import { a } from "./a.ts";', "export { a };")).toBe(true);
  expect(onlyReexports('export { a } from "./a.ts";', "export const b = 1;")).toBe(false);
  expect(onlyReexports('import "./a.ts";')).toBe(false);
});

test("code lines have no comments, imports, re-exports, empty lines and extra spaces", ({ expect }) => {
  const text = source(
    'import { a } from "./a.ts";',
    "export {",
    "  b,",
    '} from "./b.ts";',
    "/** What it",
    " * does. */",
    "export function c() {",
    "",
    "  return   [a]; // all of it",
    "}",
  );
  expect(readSource("a.ts", text).code).toEqual([
    { line: 7, text: "export function c() {" },
    { line: 9, text: "return [a];" },
    { line: 10, text: "}" },
  ]);
});

test("a text that is not TypeScript is refused with its path", ({ expect }) => {
  expect(() => readSource("src/broken.ts", "const = 1;")).toThrow("src/broken.ts");
});
