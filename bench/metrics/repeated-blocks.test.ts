import { test } from "vitest";
import { type CodeFile, repeatedBlocks } from "./repeated-blocks.ts";

/** A file with one word per line, and an empty line after each. */
const file = (path: string, words: string): CodeFile => ({
  path,
  code: words.split(" ").map((text, at) => ({ line: 2 * at + 1, text })),
});

const TEN = "a b c d e f g h i j";

test("ten lines that are in two files are listed once, in full length, with both places", ({ expect }) => {
  const blocks = repeatedBlocks([file("one.ts", `x ${TEN} k l y`), file("two.ts", `z z ${TEN} k l`)]);
  expect(blocks).toEqual([
    {
      lines: 12,
      places: [
        { path: "one.ts", from: 3, to: 25 },
        { path: "two.ts", from: 5, to: 27 },
      ],
    },
  ]);
});

test("nine lines are not a block", ({ expect }) => {
  const nine = TEN.slice(0, -2);
  expect(repeatedBlocks([file("one.ts", `${nine} x`), file("two.ts", `${nine} y`)])).toEqual([]);
});

test("repetitions within one file are not a block", ({ expect }) => {
  expect(repeatedBlocks([file("one.ts", `${TEN} x ${TEN}`)])).toEqual([]);
});

test("a block of three files is listed per pair, the longest first", ({ expect }) => {
  const blocks = repeatedBlocks([file("one.ts", TEN), file("two.ts", `${TEN} k`), file("three.ts", `${TEN} k`)]);
  expect(blocks.map(({ lines, places: [a, b] }) => `${lines} ${a.path} ${b.path}`)).toEqual([
    "11 two.ts three.ts",
    "10 one.ts two.ts",
    "10 one.ts three.ts",
  ]);
});
