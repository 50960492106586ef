/**
 * @module
 * Compares a first backup and later ones with the limit (the same listing and copies by bare SDK calls), and with
 * `rclone sync` if it is installed. See `docs/performance.md`.
 *
 * `npm run bench:backup -- [--blobs N] [--big N] [--cpu-prof FOLDER] [--production]`; the last line is JSON.
 */
import type { ContainerClient } from "@azure/storage-blob";
import { BACKUP_BODY } from "../local/demo/arm-bodies.ts";
import { objectPath } from "../src/vault/names.ts";
import { type BareTarget, copyBare, listBare, measureBare } from "./bare-copies.ts";
import { findRclone, type Rclone } from "./rclone.ts";
import {
  azuriteRatio,
  CONTAINER,
  changeLake,
  describeLake,
  fillLake,
  INSTANCE,
  measureJob,
  openSideBySide,
  type Run,
  readOptions,
  runRatio,
  type SideBySide,
  showComplaints,
  tabulateRuns,
} from "./side-by-side.ts";
import { callsPerChangedBlob, tabulateCalls } from "./storage-calls.ts";
import { formatTable } from "./table.ts";

/** The app's default for objects. */
const TIER = "Cool";

const WARM_UP_COPIES = 1_000;

/** Backups with 1 % changed blobs. They are short, so a single one would measure mostly the machine. */
const ROUNDS = 3;

/** Target of a bare run, with names as long as Lakevault's. */
function bareTarget(container: ContainerClient): BareTarget {
  return { container, nameOf: ({ name, etag }) => objectPath(CONTAINER, name, etag, 1), tier: TIER };
}

async function measureBackup(open: SideBySide, name: string, blobs: number, copied: number): Promise<Run> {
  const { run, details } = await measureJob(open, name, `${INSTANCE}/backup`, BACKUP_BODY);
  if (Number(details["entries"]) !== blobs || Number(details["copied"]) !== copied) {
    throw new Error(`the ${name} was to hold ${blobs} and copy ${copied}: ${JSON.stringify(details)}`);
  }
  return run;
}

async function measureRclone(open: SideBySide, rclone: Rclone | undefined, name: string): Promise<Run | undefined> {
  if (rclone === undefined) return undefined;
  const sync = { from: open.account("prodlake"), to: open.account("mirror"), container: CONTAINER };
  try {
    const measured = await open.withoutApp(() => open.measure(() => rclone.sync(sync)));
    console.log(`${name}: ${measured.seconds.toFixed(1)} s`);
    return { ...measured, name };
  } catch (error) {
    console.log(`${name}: failed, its figures are null: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

function rounded(seconds: number): number {
  return Number(seconds.toFixed(2));
}

const options = readOptions();
const rclone = await findRclone();
console.log(`backup of ${describeLake(options)}`);
console.log(rclone === undefined ? "rclone is not installed: its figures are null" : rclone.version);
const open = await openSideBySide(options);
try {
  const lake = open.container("prodlake", CONTAINER);
  await fillLake(lake, options);
  console.log("the lake is filled");
  const blobs = options.blobs + options.big;

  // Azurite's code is compiled while it runs; that must not count for the first measurement.
  const all = await listBare(lake, {});
  const warmUp = bareTarget(open.container("mirror", "warm-up"));
  await warmUp.container.create();
  await copyBare(lake, all.slice(-WARM_UP_COPIES), warmUp);
  await warmUp.container.delete();

  const measureLimit = (name: string, target: ContainerClient, known?: ReadonlySet<string>) =>
    measureBare(open, name, {
      source: lake,
      listing: { tags: true },
      target: bareTarget(target),
      pick: ({ etag }) => known?.has(etag) !== true,
    });

  const before = await measureLimit("limit, before", open.container("barebefore", "all"));
  const first = await measureBackup(open, "Lakevault, first backup", blobs, blobs);
  const after = await measureLimit("limit, after", open.container("bareafter", "all"));
  const limits = [before.run, after.run];
  const rcloneFirst = await measureRclone(open, rclone, "rclone sync, first");

  let listed = before.listed;
  const limitsOfChanges: Run[] = [];
  const later: Run[] = [];
  let rcloneSecond: Run | undefined;
  let changed = 0;
  for (let round = 1; round <= ROUNDS; round++) {
    changed = await changeLake(lake, options, round);
    const known = new Set(listed.map(({ etag }) => etag));
    // An account as full as the vault is now.
    const target = open.container("barebefore", `changes-${round}`);
    const limit = await measureLimit("listing and copies of 1 %", target, known);
    listed = limit.listed;
    limitsOfChanges.push(limit.run);
    later.push(await measureBackup(open, "Lakevault, 1 % changed", blobs, changed));
    if (round === 1) rcloneSecond = await measureRclone(open, rclone, "rclone sync, second");
  }

  const firstRuns = [before.run, first, after.run, ...(rcloneFirst === undefined ? [] : [rcloneFirst])];
  const laterRuns = limitsOfChanges.flatMap((limit, round) => [limit, later[round] ?? limit]);
  const runs = [...firstRuns, ...laterRuns, ...(rcloneSecond === undefined ? [] : [rcloneSecond])];
  console.log(`\n${formatTable(tabulateRuns(runs))}\n`);

  const [second = first] = later;
  const calls = new Map(
    [before.run, first, ...limitsOfChanges.slice(0, 1), second].map((run) => [run.name, run.calls]),
  );
  console.log(`${formatTable(tabulateCalls(calls))}\n`);
  console.log(
    `calls per changed blob of the first backup: ${callsPerChangedBlob(first.calls, blobs, blobs).toFixed(3)}`,
  );
  const byAzurite = [azuriteRatio([first], limits), azuriteRatio(later, limitsOfChanges)];
  showComplaints(open);
  console.log(`by Azurite's processor time: first_vs_limit ${byAzurite[0]}, second_vs_listing ${byAzurite[1]}`);
  console.log(
    JSON.stringify({
      first_vs_limit: runRatio([first], limits),
      first_vs_rclone: rcloneFirst === undefined ? null : runRatio([first], [rcloneFirst]),
      second_vs_listing: runRatio(later, limitsOfChanges),
      second_vs_rclone: rcloneSecond === undefined ? null : runRatio([second], [rcloneSecond]),
      idle_seconds: rounded(first.idleSeconds ?? Number.NaN),
      second_idle_seconds: rounded(later.reduce((sum, run) => sum + (run.idleSeconds ?? Number.NaN), 0) / later.length),
      calls_per_changed_blob: Number(callsPerChangedBlob(second.calls, blobs, changed).toFixed(3)),
    }),
  );
} finally {
  await open.close();
}
