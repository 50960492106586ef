/**
 * @module
 * Lakevault's main job on real input: uploads a directory tree, backs it up twice through the HTTP API with changes in
 * between, restores the first recovery point into another account, and compares every byte with the tree.
 *
 * `npm run demo -- [--dir FOLDER] [--files N] [--keep] [--break] [--production]`
 */
import { createWriteStream } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { BlobServiceClient } from "@azure/storage-blob";
import { type Azurite, startAzurite } from "../azurite.ts";
import { startHost } from "../host/index.ts";
import { LOCAL_ACCOUNTS, lakevaultSettings } from "../lakevault.ts";
import { BACKUP_BODY, instanceBody, policyBody, restoreBody, VAULT_BODY } from "./arm-bodies.ts";
import { type ArmClient, type ArmJob, GROUP, openArmClient } from "./arm-client.ts";
import { CONTAINERS, changeLake, compareLake, type LakeFile, readTree, uploadTree } from "./lake-tree.ts";
import { formatReport, Progress, type ReportRow } from "./report.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const VAULT = `${GROUP}/providers/Microsoft.DataProtection/backupVaults/demovault`;
const POLICY = `${VAULT}/backupPolicies/daily`;
const INSTANCE = `${VAULT}/backupInstances/prodlake-prodlake-demo`;
const DEFAULT_FILES = 5_000;
const LOG_FILE = "host.log";

const OPTIONS = {
  dir: { type: "string", default: join(ROOT, "node_modules") },
  files: { type: "string", default: String(DEFAULT_FILES) },
  keep: { type: "boolean", default: false },
  break: { type: "boolean", default: false },
  production: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

const HELP = `npm run demo -- [options]
  --dir FOLDER   the tree to back up (node_modules)
  --files N      files taken at most (${DEFAULT_FILES})
  --keep         leave everything running at the end
  --break        spoil one restored blob, to see the demo fail
  --production   wait for polls and lease messages as in Azure`;

async function main(): Promise<number> {
  const { values } = parseArgs({ options: OPTIONS });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const most = Number(values.files);
  if (!Number.isSafeInteger(most) || most < 1) throw new Error("--files takes a whole number from 1 up");

  const folder = await mkdtemp(join(tmpdir(), "lakevault-demo-"));
  const starting = new Progress("start");
  const azurite = await startAzurite({ accounts: LOCAL_ACCOUNTS, folder: join(folder, "azurite") });
  const logFile = join(folder, LOG_FILE);
  const log = createWriteStream(logFile);
  const environment = { PATH: process.env["PATH"], HOME: process.env["HOME"], ...lakevaultSettings(azurite) };
  const stateFolder = join(folder, "state");
  let isDone = false;
  try {
    const host = await startHost({
      scriptRoot: ROOT,
      port: 0,
      production: values.production,
      environment,
      stateFolder,
      writeLine: (line) => log.write(`${line}\n`),
    });
    starting.end(`Azurite, and the app with ${host.functions.length} functions`);
    try {
      const account = (name: string): BlobServiceClient =>
        BlobServiceClient.fromConnectionString(azurite.account(name).connectionString);
      const status = await showMainJob(openArmClient(host.baseUrl), account, resolve(values.dir), most, values.break);
      if (status !== 0) console.error(`demo: what host and app said is in ${logFile}; the folder is left for a look`);
      if (values.keep) await keep(host.baseUrl, azurite, folder);
      isDone = status === 0;
      return status;
    } finally {
      await host.stop();
    }
  } finally {
    await azurite.stop();
    log.end();
    if (isDone) await rm(folder, { recursive: true, force: true });
  }
}

async function showMainJob(
  api: ArmClient,
  account: (name: string) => BlobServiceClient,
  dir: string,
  most: number,
  spoil: boolean,
): Promise<number> {
  const files = await readTree(dir, most);
  if (files.length === 0) throw new Error(`there are no files in '${dir}'`);
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const rows: ReportRow[] = [];
  const lake = account("prodlake");

  const uploading = new Progress("upload");
  await uploadTree(lake, files, counter(uploading, files));
  uploading.end(`${files.length} files of ${dir} to account 'prodlake'`);
  rows.push({ step: "upload", files: files.length, bytes, seconds: uploading.seconds });

  await protect(api);
  rows.push(await runJob(api, "first backup", `${INSTANCE}/backup`, BACKUP_BODY));
  const [point] = await recoveryPoints(api);
  if (point === undefined) throw new Error("the first backup left no recovery point");

  const { changed, added, deleted } = await changeLake(lake, files);
  console.log(`change: ${changed} blobs written anew, ${added} added, ${deleted} deleted`);
  rows.push(await runJob(api, "second backup", `${INSTANCE}/backup`, BACKUP_BODY));

  rows.push(await runJob(api, "restore", `${INSTANCE}/restore`, restoreBody(point, "restored")));
  if (spoil) await spoilOne(account("restored"), files);

  const comparing = new Progress("compare");
  const differences = await compareLake(account("restored"), files, counter(comparing, files));
  comparing.end(`${files.length} files downloaded from account 'restored'`);
  rows.push({ step: "compare", files: files.length, bytes, seconds: comparing.seconds });

  console.log(`\n${formatReport(rows)}\n`);
  if (differences.length === 0) {
    console.log(`demo: restored ${files.length} files, ${bytes} bytes, all identical`);
    return 0;
  }
  for (const difference of differences) console.error(`demo: ${difference}`);
  console.error(`demo: ${differences.length} of ${files.length} files differ`);
  return 1;
}

function counter(progress: Progress, files: readonly LakeFile[]): () => void {
  let done = 0;
  return () => {
    done += 1;
    progress.show(`${done} of ${files.length} files`);
  };
}

/** Creates the vault, a daily policy and the backup instance. */
async function protect(api: ArmClient): Promise<void> {
  await api.run("PUT", VAULT, VAULT_BODY);
  await api.run("PUT", POLICY, policyBody());
  await api.run("PUT", INSTANCE, instanceBody("prodlake", POLICY, CONTAINERS));
}

async function runJob(api: ArmClient, step: string, path: string, body: object): Promise<ReportRow> {
  const progress = new Progress(step);
  const job = await api.waitForJob(await api.startJob(path, body), (now) => {
    progress.show(`${count(now, "listed")} blobs looked at, ${count(now, "copied")} copied${pace(now)}`);
  });
  if (job.properties.status !== "Completed") {
    const { errorDetails = [], extendedInfo } = job.properties;
    const reasons = [
      ...errorDetails.map(({ code, message }) => `${code}: ${message}`),
      ...(extendedInfo?.warningDetails ?? []).map(
        ({ resourceName, warning }) => `'${resourceName}': ${warning.message}`,
      ),
    ];
    throw new Error(`the ${step} ended as ${job.properties.status}; ${reasons.join("; ")}`);
  }
  progress.end(`${count(job, "listed")} blobs looked at, ${count(job, "copied")} copied`);
  return {
    step,
    files: count(job, "entries"),
    bytes: count(job, "bytes"),
    seconds: progress.seconds,
    copied: count(job, "copied"),
  };
}

function count(job: ArmJob, what: string): number {
  return Number(job.properties.extendedInfo?.additionalDetails?.[what] ?? 0);
}

/** How fast a job goes at the moment, and what holds it up. */
function pace(job: ArmJob): string {
  const details = job.properties.extendedInfo?.additionalDetails;
  const throttledBy = details?.["throttledBy"];
  const perSecond = Math.round(count(job, "objectsPerSecond"));
  return `${perSecond === 0 ? "" : `, ${perSecond} a second`}${throttledBy === undefined ? "" : `; ${throttledBy}`}`;
}

/** Ids of the recovery points, newest first. */
async function recoveryPoints(api: ArmClient): Promise<string[]> {
  const { value } = (await api.request("GET", `${INSTANCE}/recoveryPoints`)).body as { value: { name: string }[] };
  return value.map(({ name }) => name);
}

async function spoilOne(restored: BlobServiceClient, files: readonly LakeFile[]): Promise<void> {
  const file = files[Math.floor(files.length / 2)];
  if (file === undefined) return;
  const blob = restored.getContainerClient(file.container).getBlockBlobClient(file.name);
  await blob.upload("spoilt", 6, {
    blobHTTPHeaders: { blobContentType: file.contentType },
    metadata: { ...file.metadata },
  });
}

async function keep(baseUrl: string, azurite: Azurite, folder: string): Promise<void> {
  const accounts = LOCAL_ACCOUNTS.map((name) => azurite.account(name));
  const connections = Object.fromEntries(accounts.map(({ name, connectionString }) => [name, connectionString]));
  const file = join(folder, "accounts.json");
  await writeFile(file, `${JSON.stringify(connections, undefined, 2)}\n`, { mode: 0o600 });
  console.log(`the API: ${baseUrl}${VAULT}?api-version=2026-06-01`);
  for (const { name, blobEndpoint } of accounts) console.log(`account '${name}': ${blobEndpoint}`);
  console.log(`connection strings: ${file}`);
  console.log(`what host and app say: ${join(folder, LOG_FILE)}`);
  console.log("press Ctrl+C to end");
  await new Promise<void>((end) => {
    process.once("SIGINT", () => end());
    process.once("SIGTERM", () => end());
  });
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`demo: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
