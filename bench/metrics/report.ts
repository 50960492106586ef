/**
 * @module
 * Measures as text: numbers side by side, then the places behind them.
 */
import type { Table } from "../table.ts";
import { GROUPS, type Group, type Measures, type Most } from "./measure.ts";
import type { Place } from "./repeated-blocks.ts";

/** The whole project at one commit. */
export interface Snapshot {
  readonly name: string;
  readonly measures: Readonly<Record<Group, Measures>>;
}

const NUMBERS: readonly (readonly [name: string, of: (measures: Measures) => number])[] = [
  ["files", ({ files }) => files],
  ["lines", ({ lines }) => lines],
  ["lines of a file, median", ({ fileLines }) => fileLines.median],
  ["lines of a file, most", ({ fileLines }) => fileLines.most?.amount ?? 0],
  ["functions", ({ functions }) => functions],
  ["lines of a function, median", ({ functionLines }) => functionLines.median],
  ["lines of a function, most", ({ functionLines }) => functionLines.most?.amount ?? 0],
  ["parameters, median", ({ parameters }) => parameters.median],
  ["parameters, most", ({ parameters }) => parameters.most?.amount ?? 0],
  ["circles of files", ({ fileCircles }) => fileCircles.length],
  ["circles of rooms", ({ roomCircles }) => roomCircles.length],
  ["repeated blocks", ({ repeated }) => repeated.length],
  ["files that only re-export", ({ reexports }) => reexports.length],
  ["files named contract.ts", ({ contracts }) => contracts.length],
];

const MOST: readonly (readonly [name: string, of: (measures: Measures) => Most | undefined])[] = [
  ["longest file", ({ fileLines }) => fileLines.most],
  ["longest function", ({ functionLines }) => functionLines.most],
  ["most parameters", ({ parameters }) => parameters.most],
];

const LISTS: readonly (readonly [name: string, of: (measures: Measures) => readonly string[]])[] = [
  ["circle of files", ({ fileCircles }) => fileCircles.map((circle) => circle.join(", "))],
  ["circle of rooms", ({ roomCircles }) => roomCircles.map((circle) => circle.join(", "))],
  [
    "repeated block",
    ({ repeated }) => repeated.map(({ lines, places }) => `${lines} lines, ${places.map(formatPlace).join(" and ")}`),
  ],
  ["only re-exports", ({ reexports }) => reexports],
  ["named contract.ts", ({ contracts }) => contracts],
];

/** All numbers: a column for each group, of each snapshot in turn. */
export function tabulateNumbers(snapshots: readonly Snapshot[]): Table {
  const columns = GROUPS.flatMap((group) =>
    snapshots.map(({ name, measures }) => ({ group, name, of: measures[group] })),
  );
  return {
    head: ["", ...columns.map(({ group, name }) => (snapshots.length === 1 ? group : `${group} ${name}`))],
    rows: NUMBERS.map(([name, numberOf]) => [name, ...columns.map(({ of }) => numberOf(of).toLocaleString("en"))]),
  };
}

/** Places of the maxima: a column for each snapshot. */
export function tabulateMost(snapshots: readonly Snapshot[]): Table {
  const cell = (most: Most | undefined): string => (most === undefined ? "" : `${most.place} (${most.amount})`);
  return {
    head: ["", ...snapshots.map(({ name }) => name)],
    rows: GROUPS.flatMap((group) =>
      MOST.map(([name, mostOf]) => [
        `${group}, ${name}`,
        ...snapshots.map(({ measures }) => cell(mostOf(measures[group]))),
      ]),
    ),
  };
}

/** A line for each circle, repeated block, and listed file. */
export function listFindings(snapshots: readonly Snapshot[]): string[] {
  return snapshots.flatMap(({ name, measures }) =>
    GROUPS.flatMap((group) =>
      LISTS.flatMap(([kind, findingsOf]) =>
        findingsOf(measures[group]).map((finding) => `${name}, ${group}, ${kind}: ${finding}`),
      ),
    ),
  );
}

function formatPlace({ path, from, to }: Place): string {
  return `${path}:${from}-${to}`;
}
