/**
 * @module
 * Runs Azurite, the storage emulator, as a child process with custom accounts.
 *
 * Azurite saves its database every few seconds, and what it acknowledged in between is lost when it is killed: tests
 * kill the app, never Azurite.
 */

import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** Timeout for loading Azurite; it takes about 3 s on a slow machine. */
const START_TIMEOUT_MS = 60_000;

/** Timeout for saving Azurite's database when it stops. */
const STOP_TIMEOUT_MS = 10_000;

/** Compiling Azurite's thousand files anew would be half of what its start costs. */
const COMPILE_CACHE = fileURLToPath(new URL("../node_modules/.cache/azurite", import.meta.url));

const SERVICES = ["Blob", "Queue", "Table"] as const;

/** Start of a line in the access log: address, identity, user, time. */
const ACCESS = /^\S+ - \S+ \[/;

export interface AzuriteOptions {
  /** Names of the accounts, or names with their base64 keys; missing keys are generated. */
  readonly accounts: readonly string[] | Readonly<Record<string, string>>;
  /** Keeps the data in this folder; without it, the data is lost when the process ends. */
  readonly folder?: string;
  /** Ports to listen on; without them, the system chooses free ones. */
  readonly ports?: { readonly blob: number; readonly queue: number; readonly table: number };
  /** Called for each answered request: a line of the common log format, in the order of the answers. */
  readonly onRequest?: (line: string) => void;
  /** Arguments for Node. */
  readonly nodeArguments?: readonly string[];
}

export interface AzuriteAccount {
  readonly name: string;
  readonly key: string;
  readonly connectionString: string;
  /** Endpoints end with the account's name, without a slash. */
  readonly blobEndpoint: string;
  readonly queueEndpoint: string;
  readonly tableEndpoint: string;
}

export interface Azurite {
  readonly pid: number;
  /** Looks up an account by name. */
  account(name: string): AzuriteAccount;
  /** Stops Azurite, which first saves its data if it has a folder. */
  stop(): Promise<void>;
}

/**
 * Starts Azurite on loopback and waits until all three services answer. It ends with this process, however that ends.
 */
export async function startAzurite(options: AzuriteOptions): Promise<Azurite> {
  const keys = new Map(
    isNameList(options.accounts)
      ? options.accounts.map((name) => [name, randomBytes(64).toString("base64")])
      : Object.entries(options.accounts),
  );
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), "azurite-")));
  await mkdir(folder, { recursive: true });
  const removeFolder = async (): Promise<void> => {
    if (options.folder === undefined) await rm(folder, { recursive: true, force: true });
  };

  const { blob = 0, queue = 0, table = 0 } = options.ports ?? {};
  const child = fork(
    createRequire(import.meta.url).resolve("azurite/dist/src/azurite.js"),
    [
      ...["--disableTelemetry", "--skipApiVersionCheck", "--loose"],
      ...(options.onRequest === undefined ? ["--silent"] : []),
      ...["--blobPort", `${blob}`, "--queuePort", `${queue}`, "--tablePort", `${table}`],
      ...(options.folder === undefined ? ["--inMemoryPersistence"] : ["--location", folder]),
    ],
    {
      cwd: folder,
      env: {
        ...process.env,
        NODE_COMPILE_CACHE: COMPILE_CACHE,
        AZURITE_ACCOUNTS: [...keys].map(([name, key]) => `${name}:${key}`).join(";"),
      },
      // The channel closes when this process ends, be it by SIGKILL; Azurite then saves and ends as on SIGTERM.
      execArgv: [
        "--import",
        "data:text/javascript,process.once('disconnect',()=>process.kill(process.pid,'SIGTERM'))",
        "--disable-warning=ExperimentalWarning",
        ...["--import", new URL("azurite-without-telemetry.ts", import.meta.url).href],
        ...(options.folder === undefined ? ["--import", new URL("azurite-in-memory.ts", import.meta.url).href] : []),
        ...(options.nodeArguments ?? []),
      ],
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      // This process handles an interrupt at the terminal and stops Azurite in its own order.
      detached: true,
    },
  );
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));

  try {
    const [blobAddress, queueAddress, tableAddress] = await waitForServices(child, options.onRequest);
    const accounts = new Map(
      [...keys].map(([name, key]) => {
        const blobEndpoint = `${blobAddress}/${name}`;
        const queueEndpoint = `${queueAddress}/${name}`;
        const tableEndpoint = `${tableAddress}/${name}`;
        const connectionString =
          `DefaultEndpointsProtocol=http;AccountName=${name};AccountKey=${key};` +
          `BlobEndpoint=${blobEndpoint};QueueEndpoint=${queueEndpoint};TableEndpoint=${tableEndpoint};`;
        return [name, { name, key, connectionString, blobEndpoint, queueEndpoint, tableEndpoint }];
      }),
    );
    return {
      pid: child.pid ?? 0,
      account: (name) => {
        const account = accounts.get(name);
        if (account === undefined) throw new Error(`this Azurite serves ${[...accounts.keys()]}, not '${name}'`);
        return account;
      },
      stop: async () => {
        if (child.connected) child.disconnect();
        const impatient = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
        await ended;
        clearTimeout(impatient);
        await removeFolder();
      },
    };
  } catch (error) {
    child.kill("SIGKILL");
    await ended;
    await removeFolder();
    throw error;
  }
}

function isNameList(accounts: AzuriteOptions["accounts"]): accounts is readonly string[] {
  return Array.isArray(accounts);
}

/** Reads the addresses of the blob, queue and table service from Azurite's output, then its access log. */
async function waitForServices(child: ChildProcess, onRequest?: (line: string) => void): Promise<string[]> {
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error("azurite was started without pipes");
  const complaints: string[] = [];
  createInterface(stderr).on("line", (line) => complaints.push(line));

  const addresses = new Map<string, string>();
  return new Promise((resolve, reject) => {
    const give = (up: string): void => reject(new Error(`azurite did not start: ${[up, ...complaints].join("; ")}`));
    const timeout = setTimeout(() => give(`no answer in ${START_TIMEOUT_MS} ms`), START_TIMEOUT_MS);
    child.once("exit", (code, signal) => {
      clearTimeout(timeout);
      give(`it ended with ${signal ?? `status ${code}`}`);
    });
    createInterface(stdout).on("line", (line) => {
      const [, service, address] = /^Azurite (\w+) service is successfully listening at (\S+)$/.exec(line) ?? [];
      if (service === undefined || address === undefined) {
        if (ACCESS.test(line)) onRequest?.(line);
        return;
      }
      addresses.set(service, address);
      if (addresses.size < SERVICES.length) return;
      clearTimeout(timeout);
      resolve(SERVICES.map((name) => addresses.get(name) ?? ""));
    });
  });
}
