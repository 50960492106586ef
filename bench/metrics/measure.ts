/**
 * @module
 * Measures of a group of source files.
 */
import { posix } from "node:path";
import { circlesOf } from "./circles.ts";
import type { Source } from "./read-source.ts";
import { type RepeatedBlock, repeatedBlocks } from "./repeated-blocks.ts";

/** The groups that are measured, each by itself. */
export const GROUPS = ["product", "tests", "local"] as const;
export type Group = (typeof GROUPS)[number];

/** The maximum of something, and its place; undefined if there is none. */
export interface Most {
  /** `path`, or `path:line`. */
  readonly place: string;
  readonly amount: number;
}

export interface Measures {
  readonly files: number;
  readonly lines: number;
  readonly fileLines: Spread;
  readonly functions: number;
  readonly functionLines: Spread;
  readonly parameters: Spread;
  readonly fileCircles: readonly (readonly string[])[];
  /** Of the folders of `src`; what tests import does not count. */
  readonly roomCircles: readonly (readonly string[])[];
  readonly repeated: readonly RepeatedBlock[];
  /** Files that only re-export. */
  readonly reexports: readonly string[];
  /** Files named `contract.ts`. */
  readonly contracts: readonly string[];
}

export interface Spread {
  /** 0 of none. */
  readonly median: number;
  readonly most: Most | undefined;
}

/** Returns the group of a file; undefined: none, such as the measurements themselves. */
export function groupOf(path: string): Group | undefined {
  if (path.endsWith(".test.ts")) return "tests";
  switch (path.split("/")[0]) {
    case "src":
    case "functions":
      return "product";
    case "test":
      return "tests";
    case "local":
      return "local";
    default:
      return undefined;
  }
}

/** Measures the files of one group; imports of files outside it are ignored. */
export function measure(sources: readonly Source[]): Measures {
  const functions = sources.flatMap((source) =>
    source.functions.map(({ line, lines, parameters }) => ({ place: `${source.path}:${line}`, lines, parameters })),
  );
  const paths = sources.map(({ path }) => path);
  return {
    files: sources.length,
    lines: sources.reduce((sum, { lines }) => sum + lines, 0),
    fileLines: spreadOf(sources.map(({ path, lines }) => ({ place: path, amount: lines }))),
    functions: functions.length,
    functionLines: spreadOf(functions.map(({ place, lines }) => ({ place, amount: lines }))),
    parameters: spreadOf(functions.map(({ place, parameters }) => ({ place, amount: parameters }))),
    fileCircles: circlesOf(new Map(sources.map(({ path, imports }) => [path, new Set(imports)]))),
    roomCircles: circlesOf(roomImports(sources)),
    repeated: repeatedBlocks(sources),
    reexports: sources.filter(({ onlyReexports }) => onlyReexports).map(({ path }) => path),
    contracts: paths.filter((path) => posix.basename(path) === "contract.ts"),
  };
}

function spreadOf(amounts: readonly Most[]): Spread {
  const sorted = amounts.toSorted((a, b) => a.amount - b.amount);
  const half = sorted.length / 2;
  const [low, high] = [sorted[Math.ceil(half) - 1], sorted[Math.floor(half)]];
  return {
    median: ((low?.amount ?? 0) + (high?.amount ?? 0)) / 2,
    most: amounts.find(({ amount }) => amount === sorted.at(-1)?.amount),
  };
}

function roomImports(sources: readonly Source[]): Map<string, Set<string>> {
  const rooms = new Map<string, Set<string>>();
  for (const { path, imports } of sources) {
    const room = roomOf(path);
    if (room === undefined || groupOf(path) !== "product") continue;
    const imported = rooms.get(room) ?? new Set<string>();
    for (const other of imports.flatMap((target) => roomOf(target) ?? [])) imported.add(other);
    rooms.set(room, imported);
  }
  return rooms;
}

function roomOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1];
}
