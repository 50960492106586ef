/**
 * @module Blocks of code that are in two files, line by line. Our own, because `jscpd` brings a hundred packages (4) or
 *   a binary for each platform (5) to find the same.
 */
import type { CodeLine } from "./read-source.ts";

export interface CodeFile {
  readonly path: string;
  readonly code: readonly CodeLine[];
}

export interface Place {
  readonly path: string;
  /** First and last line. */
  readonly from: number;
  readonly to: number;
}

export interface RepeatedBlock {
  /** Lines of code. */
  readonly lines: number;
  readonly places: readonly [Place, Place];
}

const FEWEST_LINES = 10;

/**
 * Finds blocks of ten or more lines of code that are the same in two files. A block of three files is listed once per
 * pair.
 *
 * @returns the longest first
 */
export function repeatedBlocks(files: readonly CodeFile[]): RepeatedBlock[] {
  const blocks: RepeatedBlock[] = [];
  const seen = new Map<string, { readonly file: CodeFile; readonly at: number }[]>();
  for (const file of files) {
    for (let at = 0; at + FEWEST_LINES <= file.code.length; at++) {
      const window = file.code.slice(at, at + FEWEST_LINES).map(({ text }) => text);
      const key = window.join("\n");
      const others = seen.get(key) ?? [];
      for (const other of others) {
        if (other.file === file || isSame(other.file, other.at - 1, file, at - 1)) continue;
        blocks.push(blockFrom(other.file, other.at, file, at));
      }
      seen.set(key, [...others, { file, at }]);
    }
  }
  return blocks.sort((a, b) => b.lines - a.lines);
}

function isSame(a: CodeFile, atA: number, b: CodeFile, atB: number): boolean {
  const text = a.code[atA]?.text;
  return text !== undefined && text === b.code[atB]?.text;
}

function blockFrom(a: CodeFile, atA: number, b: CodeFile, atB: number): RepeatedBlock {
  let lines = FEWEST_LINES;
  while (isSame(a, atA + lines, b, atB + lines)) lines += 1;
  const place = ({ path, code }: CodeFile, at: number): Place => ({
    path,
    from: code[at]?.line ?? 0,
    to: code[at + lines - 1]?.line ?? 0,
  });
  return { lines, places: [place(a, atA), place(b, atB)] };
}
