/**
 * @module Environment of a side-by-side measurement: one Azurite with a generated lake, the app on the embedded host
 *   next to it, and the access log of all calls.
 */
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { BlobServiceClient, type ContainerClient } from "@azure/storage-blob";
import { type AzuriteAccount, startAzurite } from "../local/azurite.ts";
import { instanceBody, policyBody, VAULT_BODY } from "../local/demo/arm-bodies.ts";
import { type ArmJob, GROUP, openArmClient } from "../local/demo/arm-client.ts";
import { startTestHost } from "../local/host/testing/test-host.ts";
import { LOCAL_ACCOUNTS, lakevaultSettings } from "../local/lakevault.ts";
import { mapBounded } from "../src/foundation/bounded-pool.ts";
import { idleSeconds } from "./idle-time.ts";
import { readCall, type StorageCall } from "./storage-calls.ts";
import type { Table } from "./table.ts";

const APP = fileURLToPath(new URL("..", import.meta.url));

/** Concurrent copies, whoever copies. */
export const WIDTH = 32;

/** The container that is protected, in account `prodlake`. */
export const CONTAINER = "lake";

const VAULT = `${GROUP}/providers/Microsoft.DataProtection/backupVaults/benchvault`;
const POLICY = `${VAULT}/backupPolicies/daily`;
export const INSTANCE = `${VAULT}/backupInstances/prodlake-prodlake-bench`;

/**
 * Target accounts of other tools, each as empty as Lakevault's: for each request Azurite searches all blobs of an
 * account, and deleting many takes long.
 */
const OTHER_ACCOUNTS = ["barebefore", "bareafter", "mirror"] as const;

type AccountName = (typeof LOCAL_ACCOUNTS)[number] | (typeof OTHER_ACCOUNTS)[number];

/** Poll interval of a job; long enough that polls cost little compared with the job. */
const POLL_MS = 2_000;

const MAX_COMPLAINTS = 20;

const KIB = 2 ** 10;
const MIB = 2 ** 20;
const BLOB_BYTES = KIB;
const BIG_BYTES = 300 * MIB;
/** Many blocks of this length make a big blob. */
const BIG_PART_BYTES = 20 * MIB;
const BLOBS_A_DIRECTORY = 50;
/** One in this many blobs changes. */
const CHANGED_ONE_IN = 100;

export interface LakeShape {
  /** Blobs of 1 KiB. */
  readonly blobs: number;
  /** Blobs of 300 MiB. */
  readonly big: number;
}

export interface Options extends LakeShape {
  /** Folder for a CPU profile of the app's process; absent: none. */
  readonly profileFolder?: string;
  /** Polls and leases as in Azure. */
  readonly production: boolean;
}

/** Reads the command line. @throws Error when it is wrong */
export function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      blobs: { type: "string", default: "20000" },
      big: { type: "string", default: "3" },
      "cpu-prof": { type: "string" },
      production: { type: "boolean", default: false },
    },
  });
  const profileFolder = values["cpu-prof"];
  return {
    blobs: wholeNumber("--blobs", values.blobs, CHANGED_ONE_IN),
    big: wholeNumber("--big", values.big, 0),
    production: values.production,
    ...(profileFolder === undefined ? {} : { profileFolder }),
  };
}

function wholeNumber(option: string, text: string, least: number): number {
  const number = Number(text);
  if (text === "" || !Number.isSafeInteger(number) || number < least) {
    throw new Error(`${option} takes a whole number from ${least} up, not '${text}'`);
  }
  return number;
}

/** Describes a lake of this shape in words. */
export function describeLake({ blobs, big }: LakeShape): string {
  const directories = Math.ceil(blobs / BLOBS_A_DIRECTORY);
  return `${blobs.toLocaleString("en")} blobs of 1 KiB in ${directories} directories and ${big} of 300 MiB`;
}

/** One measured run, with all its calls. */
export interface Measured<T> {
  readonly result: T;
  readonly seconds: number;
  /** Processor time, which other processes disturb less than wall-clock time. */
  readonly cpu: { readonly azurite: number; readonly clients: number };
  readonly calls: readonly StorageCall[];
}

/** One job, as seen by its caller. */
export interface JobRun {
  /** From its start to its end, both as reported by the job. */
  readonly seconds: number;
  /** The part of it in which none of the app's functions worked for a job. */
  readonly idleSeconds: number;
  readonly details: Readonly<Record<string, string>>;
}

export interface SideBySide {
  account(name: AccountName): AzuriteAccount;
  container(account: AccountName, name: string): ContainerClient;
  measure<T>(work: () => Promise<T>): Promise<Measured<T>>;
  /** Runs something while the app is frozen: even an idle app polls its queues many times a second. */
  withoutApp<T>(work: () => Promise<T>): Promise<T>;
  /** Starts a job and waits for its end. @throws Error unless it completes without warnings */
  runJob(path: string, body: object): Promise<JobRun>;
  request(path: string): Promise<unknown>;
  /** The host's log above level information: a run with retries or lost messages is not a valid measurement. */
  complaints(): readonly string[];
  close(): Promise<void>;
}

/** Starts Azurite and the app, and protects an empty lake. */
export async function openSideBySide(options: Options): Promise<SideBySide> {
  const log = new RequestLog();
  const azurite = await startAzurite({
    accounts: [...LOCAL_ACCOUNTS, ...OTHER_ACCOUNTS],
    onRequest: (line) => log.add(line),
  });
  try {
    const { profileFolder } = options;
    const host = await startTestHost({
      app: APP,
      arguments: options.production ? ["--production"] : [],
      settings: {
        ...lakevaultSettings(azurite),
        VaultCopyWidth: String(WIDTH),
        // Each execution then leaves a line.
        AzureFunctionsJobHost__logging__logLevel__Function: "Debug",
        ...(profileFolder === undefined
          ? {}
          : { languageWorkers__node__arguments: `--cpu-prof --cpu-prof-dir=${profileFolder}` }),
      },
    });
    const api = openArmClient(host.baseUrl);
    const open: SideBySide = {
      account: (name) => azurite.account(name),
      container: (account, name) =>
        BlobServiceClient.fromConnectionString(azurite.account(account).connectionString).getContainerClient(name),
      measure: async (work) => {
        const clients = [process.pid, host.pid, host.workerPid()];
        const from = await log.settle(azurite.account("prodlake").blobEndpoint);
        const before = await Promise.all([cpuSeconds([azurite.pid]), cpuSeconds(clients)]);
        const begunAt = performance.now();
        const result = await work();
        const seconds = (performance.now() - begunAt) / 1_000;
        const after = await Promise.all([cpuSeconds([azurite.pid]), cpuSeconds(clients)]);
        const until = await log.settle(azurite.account("prodlake").blobEndpoint);
        const cpu = { azurite: after[0] - before[0], clients: after[1] - before[1] };
        return { result, seconds, cpu, calls: log.calls(from, until) };
      },
      withoutApp: async (work) => {
        const processes = [host.pid, host.workerPid()];
        const signal = (name: NodeJS.Signals): void => {
          for (const pid of processes) process.kill(pid, name);
        };
        const resume = (): void => signal("SIGCONT");
        process.once("exit", resume);
        signal("SIGSTOP");
        try {
          return await work();
        } finally {
          process.off("exit", resume);
          resume();
          await api.request("GET", VAULT);
        }
      },
      runJob: async (path, body) => {
        const jobPath = await api.startJob(path, body);
        for (;;) {
          const { properties } = (await api.request("GET", jobPath)).body as TimedJob;
          if (properties.status === "Completed") {
            const ms = Date.parse(properties.endTime ?? "") - Date.parse(properties.startTime);
            const span = { from: Date.parse(properties.startTime), until: Date.parse(properties.endTime ?? "") };
            const idle = idleSeconds(host.output, span);
            return {
              seconds: ms / 1_000,
              idleSeconds: idle,
              details: properties.extendedInfo?.additionalDetails ?? {},
            };
          }
          if (properties.status !== "InProgress") {
            throw new Error(`the job ended as ${properties.status}: ${JSON.stringify(properties.errorDetails ?? [])}`);
          }
          await new Promise((resolve) => setTimeout(resolve, POLL_MS));
        }
      },
      request: async (path) => (await api.request("GET", path)).body,
      complaints: () => host.output.filter((line) => /^[\d:.]+ (warn|error)/.test(line)),
      close: async () => {
        await host.stop();
        await azurite.stop();
      },
    };
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
    await open.container("prodlake", CONTAINER).create();
    await api.run("PUT", VAULT, VAULT_BODY);
    await api.run("PUT", POLICY, policyBody());
    await api.run("PUT", INSTANCE, instanceBody("prodlake", POLICY, [CONTAINER]));
    return open;
  } catch (error) {
    await azurite.stop();
    throw error;
  }
}

/** Linux counts processor time in hundredths of a second, whatever its clock. */
const TICKS_A_SECOND = 100;

/**
 * Processor time that processes have used so far, of user and system.
 *
 * @returns NaN where the system does not tell, which is everywhere but on Linux
 * @see https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
 */
async function cpuSeconds(pids: readonly number[]): Promise<number> {
  const ticks = await Promise.all(
    pids.map(async (pid) => {
      const stat = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => "");
      // Fields after the name, which is in parentheses and may contain anything; the times are fields 14 and 15.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return Number(fields[11] ?? "x") + Number(fields[12] ?? "x");
    }),
  );
  return ticks.reduce((sum, one) => sum + one, 0) / TICKS_A_SECOND;
}

interface TimedJob extends ArmJob {
  readonly properties: ArmJob["properties"] & { readonly startTime: string; readonly endTime?: string };
}

/** All requests of all clients, in the order of their answers. Lines are read on request, not as they arrive. */
class RequestLog {
  readonly #lines: string[] = [];
  #awaited: { readonly mark: string; readonly seen: () => void } | undefined;

  add(line: string): void {
    if (this.#awaited !== undefined && line.includes(this.#awaited.mark)) this.#awaited.seen();
    else this.#lines.push(line);
  }

  /**
   * Waits until everything that was answered before this call is in the log.
   *
   * @returns the number of lines
   */
  async settle(endpoint: string): Promise<number> {
    const mark = `mark-${randomUUID()}`;
    const seen = new Promise<void>((resolve) => {
      this.#awaited = { mark, seen: resolve };
    });
    // Refused, but in the log.
    await (await fetch(`${endpoint}/${mark}/x`)).arrayBuffer();
    await seen;
    this.#awaited = undefined;
    return this.#lines.length;
  }

  calls(from: number, until: number): StorageCall[] {
    return this.#lines.slice(from, until).flatMap((line) => readCall(line, "vaultstate") ?? []);
  }
}

function blobName(i: number): string {
  const directory = String(Math.floor(i / BLOBS_A_DIRECTORY)).padStart(5, "0");
  return `directory-${directory}/blob-${String(i).padStart(7, "0")}.bin`;
}

async function writeBlob(lake: ContainerClient, i: number, round: number): Promise<void> {
  const content = Buffer.alloc(BLOB_BYTES, `${round} ${i} `);
  await lake.getBlockBlobClient(blobName(i)).upload(content, content.length);
}

/** Writes the lake's blobs. */
export async function fillLake(lake: ContainerClient, { blobs, big }: LakeShape): Promise<void> {
  for (let i = 0; i < big; i++) {
    const blob = lake.getBlockBlobClient(`big/blob-${i}.bin`);
    const id = Buffer.from("part").toString("base64");
    await blob.stageBlock(id, Buffer.alloc(BIG_PART_BYTES, `big ${i} `), BIG_PART_BYTES);
    await blob.commitBlockList(new Array<string>(BIG_BYTES / BIG_PART_BYTES).fill(id));
  }
  await mapBounded([...Array(blobs).keys()], WIDTH, (i) => writeBlob(lake, i, 0));
}

/**
 * Rewrites 1 % of the blobs of 1 KiB, evenly over all directories.
 *
 * @param round - from 1 up; each changes other blobs
 * @returns how many
 */
export async function changeLake(lake: ContainerClient, { blobs }: LakeShape, round: number): Promise<number> {
  const changed = [...Array(blobs).keys()].filter((i) => i % CHANGED_ONE_IN === round);
  await mapBounded(changed, WIDTH, (i) => writeBlob(lake, i, round));
  return changed.length;
}

/** The vault container of the only instance. */
export async function vaultContainer(open: SideBySide): Promise<ContainerClient> {
  const { connectionString } = open.account("vault");
  const service = BlobServiceClient.fromConnectionString(connectionString);
  for await (const { name } of service.listContainers({ prefix: "bi-" })) return service.getContainerClient(name);
  throw new Error("the vault has no container of an instance");
}

/** One row of the printed table. */
export interface Run extends Omit<Measured<unknown>, "result"> {
  readonly name: string;
  /** Time of one flat listing, if it is measured by itself. */
  readonly listSeconds?: number;
  /** Idle time of a job. */
  readonly idleSeconds?: number;
}

/** Runs a job of Lakevault and measures the time that the job reports. */
export async function measureJob(
  open: SideBySide,
  name: string,
  path: string,
  body: object,
): Promise<{ readonly run: Run; readonly details: JobRun["details"] }> {
  const measured = await open.measure(() => open.runJob(path, body));
  const { seconds, idleSeconds, details } = measured.result;
  console.log(`${name}: ${seconds.toFixed(1)} s by the job, ${measured.seconds.toFixed(1)} s by its caller's clock`);
  return { run: { ...measured, name, seconds, idleSeconds }, details };
}

/** Prints the host's warnings, if any. */
export function showComplaints(open: SideBySide): void {
  const complaints = open.complaints();
  if (complaints.length === 0) return;
  console.log(`the host complained ${complaints.length} times:`);
  for (const line of complaints.slice(0, MAX_COMPLAINTS)) console.log(`  ${line}`);
}

export function tabulateRuns(runs: readonly Run[]): Table {
  return {
    head: ["run", "seconds", "idle", "of which listing", "processor: clients", "processor: Azurite"],
    rows: runs.map(({ name, seconds, idleSeconds, listSeconds, cpu }) => [
      name,
      seconds.toFixed(1),
      idleSeconds?.toFixed(1) ?? "",
      listSeconds?.toFixed(1) ?? "",
      ...[cpu.clients, cpu.azurite].map((used) => (Number.isNaN(used) ? "" : used.toFixed(1))),
    ]),
  };
}

/** The mean time of some runs compared with that of others. */
export function runRatio(
  runs: readonly Run[],
  others: readonly Run[],
  timeOf: (run: Run) => number = ({ seconds }) => seconds,
): number {
  const mean = (of: readonly Run[]): number => of.reduce((sum, run) => sum + timeOf(run), 0) / of.length;
  return Number((mean(runs) / mean(others)).toFixed(3));
}

/** The same by Azurite's processor time alone, which hardly depends on the machine's load. */
export function azuriteRatio(runs: readonly Run[], others: readonly Run[]): number {
  return runRatio(runs, others, ({ cpu }) => cpu.azurite);
}
