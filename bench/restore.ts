/**
 * @module Compares a restore with the limit: one listing of the vault's objects and the same copies back by bare SDK
 *   calls. See `docs/performance.md`.
 *
 * `npm run bench:restore -- [--blobs N] [--big N] [--cpu-prof FOLDER]`; the last line is JSON.
 */
import type { ContainerClient } from "@azure/storage-blob";
import { BACKUP_BODY, restoreBody } from "../local/demo/arm-bodies.ts";
import { measureBare } from "./bare-copies.ts";
import {
  azuriteRatio,
  CONTAINER,
  describeLake,
  fillLake,
  INSTANCE,
  measureJob,
  openSideBySide,
  type Run,
  readOptions,
  runRatio,
  showComplaints,
  tabulateRuns,
  vaultContainer,
} from "./side-by-side.ts";
import { tabulateCalls } from "./storage-calls.ts";
import { formatTable } from "./table.ts";

const OBJECTS = `data/${CONTAINER}/`;

/** The blob of an object; the object's own name ends with its version. */
function blobOfObject(object: string): string {
  return object.slice(OBJECTS.length, object.lastIndexOf("/"));
}

const options = readOptions();
console.log(`restore of ${describeLake(options)}`);
const open = await openSideBySide(options);
try {
  const blobs = options.blobs + options.big;
  await fillLake(open.container("prodlake", CONTAINER), options);
  console.log("the lake is filled");
  await measureJob(open, "Lakevault, backup", `${INSTANCE}/backup`, BACKUP_BODY);
  const { value } = (await open.request(`${INSTANCE}/recoveryPoints`)) as { value: { name: string }[] };
  const point = value[0]?.name;
  if (point === undefined) throw new Error("the backup left no recovery point");

  const vault = await vaultContainer(open);
  const measureLimit = async (name: string, target: ContainerClient): Promise<Run> => {
    const { run, listed } = await measureBare(open, name, {
      source: vault,
      listing: { prefix: OBJECTS },
      target: { container: target, nameOf: ({ name }) => blobOfObject(name) },
      pick: () => true,
    });
    if (listed.length !== blobs) throw new Error(`the vault was to hold ${blobs} objects, not ${listed.length}`);
    return run;
  };

  const before = await measureLimit("limit, before", open.container("barebefore", CONTAINER));
  const restore = await measureJob(open, "Lakevault, restore", `${INSTANCE}/restore`, restoreBody(point, "restored"));
  if (Number(restore.details["entries"]) !== blobs) {
    throw new Error(`not all was restored: ${JSON.stringify(restore.details)}`);
  }
  const after = await measureLimit("limit, after", open.container("bareafter", CONTAINER));

  console.log(`\n${formatTable(tabulateRuns([before, restore.run, after]))}\n`);
  const calls = new Map([before, restore.run].map((run) => [run.name, run.calls]));
  console.log(`${formatTable(tabulateCalls(calls))}\n`);
  showComplaints(open);
  console.log(`by Azurite's processor time: restore_vs_limit ${azuriteRatio([restore.run], [before, after])}`);
  console.log(JSON.stringify({ restore_vs_limit: runRatio([restore.run], [before, after]) }));
} finally {
  await open.close();
}
