/**
 * @module First backups while a fifth of all requests fails: 503 with and without Retry-After, 500, broken connections,
 *   cut answers, and delays of up to 3 s, for all requests of the app to vault, source and state account. The embedded
 *   host's own storage (queues, orchestrations, leases) has no faults. See `docs/performance.md`.
 *
 * `npm run bench:faults -- [--blobs N] [--jobs N] [--job-blobs N] [--seed N]`; the last line is JSON.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Azurite, startAzurite } from "../local/azurite.ts";
import { BACKUP_BODY, instanceBody, policyBody, VAULT_BODY } from "../local/demo/arm-bodies.ts";
import { type ArmClient, ArmError, type ArmJob, GROUP, openArmClient } from "../local/demo/arm-client.ts";
import { startTestHost } from "../local/host/testing/test-host.ts";
import { lakevaultSettings } from "../local/lakevault.ts";
import { BlobAccount } from "../src/azure/blob-account.ts";
import { BlobDatasource } from "../src/azure/blob-datasource.ts";
import { BlobScrubVault } from "../src/azure/blob-scrub-vault.ts";
import { mapBounded } from "../src/foundation/bounded-pool.ts";
import { listSeals } from "../src/vault/list-seals.ts";
import { objectPath } from "../src/vault/names.ts";
import { readIndex, readSeal, readSegment } from "../src/vault/read-manifest.ts";
import { type Fault, type FaultyProxy, startFaultyProxy } from "../test/support/faulty-proxy.ts";
import { seededRandom } from "../test/support/seeded-random.ts";
import { formatTable } from "./table.ts";

const APP = fileURLToPath(new URL("..", import.meta.url));
const CONTAINER = "lake";
const VAULT = `${GROUP}/providers/Microsoft.DataProtection/backupVaults/benchvault`;
const POLICY = `${VAULT}/backupPolicies/daily`;
const WIDTH = 32;
const POLL_MS = 500;

/** Share of all requests; each kind is equally frequent. */
const FAULTY_SHARE = 0.2;
const KINDS = ["busy", "busy-soon", "error", "reset", "cut", "delay"] as const;
const MAX_DELAY_MS = 3_000;
const RETRY_AFTER = { "retry-after": "1" };

/** A backup that takes longer counts as failed. */
const JOB_TIMEOUT_MS = 30 * 60_000;

/** Faults of requests, by a seed; none while `isCalm`. */
class Chaos {
  readonly happened = new Map<string, number>();
  requests = 0;
  isCalm = true;
  readonly #random: () => number;
  /** By request object: the proxy asks twice about each. */
  readonly #faults = new Map<URL, (typeof KINDS)[number]>();

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  haunt(wire: FaultyProxy): void {
    wire.delay = (_method, url) => {
      const kind = this.#draw();
      if (kind === undefined) return 0;
      this.happened.set(kind, (this.happened.get(kind) ?? 0) + 1);
      this.#faults.set(url, kind);
      return kind === "delay" ? this.#random() * MAX_DELAY_MS : 0;
    };
    wire.fault = (_method, url) => {
      const kind = this.#faults.get(url);
      this.#faults.delete(url);
      wire.busyHeaders = kind === "busy" ? RETRY_AFTER : {};
      return faultOf(kind);
    };
  }

  #draw(): (typeof KINDS)[number] | undefined {
    this.requests += 1;
    if (this.isCalm || this.#random() >= FAULTY_SHARE) return undefined;
    return KINDS[Math.floor(this.#random() * KINDS.length)];
  }
}

function faultOf(kind: (typeof KINDS)[number] | undefined): Fault | undefined {
  switch (kind) {
    case undefined:
    case "delay":
      return undefined;
    case "busy-soon":
      return "busy";
    default:
      return kind;
  }
}

function readOptions(): { blobs: number; jobs: number; jobBlobs: number; seed: number } {
  const { values } = parseArgs({
    options: {
      blobs: { type: "string", default: "2000" },
      jobs: { type: "string", default: "10" },
      "job-blobs": { type: "string", default: "200" },
      seed: { type: "string", default: "1" },
    },
  });
  const number = (name: keyof typeof values): number => {
    const value = Number(values[name]);
    if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name} takes a whole number`);
    return value;
  };
  return { blobs: number("blobs"), jobs: number("jobs"), jobBlobs: number("job-blobs"), seed: number("seed") };
}

function blobName(i: number): string {
  return `directory-${String(Math.floor(i / 50)).padStart(4, "0")}/blob-${String(i).padStart(6, "0")}.bin`;
}

/** Repeats a request when the app cannot answer, like any caller. */
async function patiently<T>(request: () => Promise<T>): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      return await request();
    } catch (error) {
      if (!(error instanceof ArmError) || error.status < 500 || tried === 20) throw error;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

const instanceOf = (account: string): string => `${VAULT}/backupInstances/${account}-${account}-bench`;

interface TimedJob extends ArmJob {
  readonly properties: ArmJob["properties"] & { readonly startTime: string; readonly endTime?: string };
}

interface Backup {
  readonly status: string;
  /** As reported by the job. */
  readonly seconds: number;
  readonly details: Readonly<Record<string, string>>;
  readonly failure: string;
}

async function backUp(api: ArmClient, account: string): Promise<Backup> {
  const path = await patiently(() => api.startJob(`${instanceOf(account)}/backup`, BACKUP_BODY));
  const giveUpAt = performance.now() + JOB_TIMEOUT_MS;
  for (;;) {
    const { properties } = (await patiently(() => api.request("GET", path))).body as TimedJob;
    const { status, startTime, endTime, extendedInfo, errorDetails } = properties;
    const isOver = status !== "InProgress" || performance.now() > giveUpAt;
    if (isOver) {
      const seconds = (Date.parse(endTime ?? new Date().toISOString()) - Date.parse(startTime)) / 1_000;
      const details = extendedInfo?.additionalDetails ?? {};
      return { status, seconds, details, failure: JSON.stringify(errorDetails ?? []) };
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** The accounts, past the proxy. */
class Truth {
  readonly #azurite: Azurite;

  constructor(azurite: Azurite) {
    this.#azurite = azurite;
  }

  #account(name: string): BlobAccount {
    const { connectionString } = this.#azurite.account(name);
    return new BlobAccount({ kind: "key", connectionString }, () => new Date());
  }

  async fill(account: string, blobs: number): Promise<void> {
    const lake = this.#account(account).container(CONTAINER);
    await lake.createIfNotExists();
    await mapBounded([...Array(blobs).keys()], WIDTH, async (i) => {
      const content = Buffer.alloc(1_024, `${account} ${i} `);
      await lake.getBlockBlobClient(blobName(i)).upload(content, content.length);
    });
  }

  /**
   * Compares the newest recovery point of an instance with its source: every blob has its entry, and every entry its
   * object, with the source's length and MD5. Nothing else is in it.
   */
  async check(account: string, instanceId: string): Promise<void> {
    const vault = new BlobScrubVault(this.#account("vault"), instanceId);
    const newest = (await listSeals(vault)).toSorted((a, b) => b.sequence - a.sequence)[0];
    if (newest === undefined) throw new Error(`'${account}' has no recovery point`);
    const index = await readIndex(vault, await readSeal(vault, newest.id), CONTAINER);
    const entries = (await Promise.all((index?.segments ?? []).map((segment) => readSegment(vault, segment)))).flat();
    const objects = new Map<string, { readonly size: number; readonly md5?: string; readonly isWhole: boolean }>();
    for await (const page of vault.listPages("data")) for (const file of page) objects.set(file.path, file);

    const source = new BlobDatasource(this.#account(account), "blobServices");
    let seen = 0;
    for await (const page of source.listPages(CONTAINER, { from: { name: "", after: false } })) {
      for (const { name, etag, size, md5 } of page) {
        if (name.startsWith(".lakevault")) continue;
        const entry = entries[seen++];
        const object = entry && objects.get(objectPath(CONTAINER, name, etag, entry.birth));
        const isRight =
          entry?.name === name &&
          entry.etag === etag &&
          object?.isWhole === true &&
          object.size === size &&
          object.md5 === md5;
        if (!isRight) throw new Error(`'${name}' of '${account}' is not in its recovery point as it is at the source`);
      }
    }
    if (seen !== entries.length)
      throw new Error(`the recovery point of '${account}' has ${entries.length - seen} too many`);
  }

  async instances(): Promise<string[]> {
    const names: string[] = [];
    for await (const { name } of this.#account("vault").service.listContainers({ prefix: "bi-" })) {
      names.push(name.slice("bi-".length));
    }
    return names;
  }
}

const { blobs, jobs, jobBlobs, seed } = readOptions();
const small = Array.from({ length: jobs }, (_, i) => `small${i}`);
const sources = ["warmup", "calmbefore", "faulted", "calmafter", ...small];
const azurite = await startAzurite({ accounts: [...sources, "prodlake", "restored", "vault", "vaultstate"] });
const blobWire = await startFaultyProxy(new URL(azurite.account("vault").blobEndpoint).origin);
const tableWire = await startFaultyProxy(new URL(azurite.account("vaultstate").tableEndpoint).origin);
const chaos = new Chaos(seed);
for (const wire of [blobWire, tableWire]) chaos.haunt(wire);

/** A connection string whose blobs and tables are behind the proxy; its queues, which the host uses, are not. */
function onWire(name: string): string {
  const { connectionString, blobEndpoint, tableEndpoint } = azurite.account(name);
  return connectionString
    .replace(blobEndpoint, `${blobWire.origin}/${name}`)
    .replace(tableEndpoint, `${tableWire.origin}/${name}`);
}

const host = await startTestHost({
  app: APP,
  settings: {
    ...lakevaultSettings(azurite),
    VaultState: onWire("vaultstate"),
    VaultStorage: onWire("vault"),
    ...Object.fromEntries(sources.map((name) => [`VaultAccount__${name}`, onWire(name)])),
    VaultCopyWidth: String(WIDTH),
  },
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
try {
  const api = openArmClient(host.baseUrl);
  const truth = new Truth(azurite);
  await api.run("PUT", VAULT, VAULT_BODY);
  await api.run("PUT", POLICY, policyBody());
  const instanceIds = new Map<string, string>();
  for (const account of sources) {
    await truth.fill(account, small.includes(account) || account === "warmup" ? jobBlobs : blobs);
    const before = new Set(await truth.instances());
    await api.run("PUT", instanceOf(account), instanceBody(account, POLICY, [CONTAINER]));
    const [id] = (await truth.instances()).filter((known) => !before.has(known));
    if (id === undefined) throw new Error(`the instance of '${account}' has no container in the vault`);
    instanceIds.set(account, id);
  }
  console.log(`${blobs} blobs of 1 KiB each in three accounts, ${jobBlobs} in each of ${jobs}; seed ${seed}`);

  const rows: string[][] = [];
  let failed = 0;
  const run = async (account: string, isCalm: boolean): Promise<Backup> => {
    chaos.isCalm = isCalm;
    const before = chaos.requests;
    const backup = await backUp(api, account);
    chaos.isCalm = true;
    const isCompleted = backup.status === "Completed";
    if (isCompleted) await truth.check(account, instanceIds.get(account) ?? "");
    else {
      failed += 1;
      console.log(`${account} ended as ${backup.status}: ${backup.failure}`);
    }
    const { copiesAtOnce = "", throttlings = "" } = backup.details;
    rows.push([
      account,
      backup.status,
      backup.seconds.toFixed(1),
      String(chaos.requests - before),
      copiesAtOnce,
      throttlings,
    ]);
    console.log(`${account}: ${backup.status}, ${backup.seconds.toFixed(1)} s`);
    return backup;
  };

  await run("warmup", true);
  const calmBefore = await run("calmbefore", true);
  const faulted = await run("faulted", false);
  const calmAfter = await run("calmafter", true);
  for (const account of small) await run(account, false);

  console.log(`\n${formatTable({ head: ["account", "status", "seconds", "requests", "width", "narrowed"], rows })}\n`);
  console.log([...chaos.happened].map(([kind, times]) => `${kind} ${times}`).join(", "));
  const complaints = host.output.filter((line) => /^[\d:.]+ (warn|error)/.test(line));
  console.log(`the host complained ${complaints.length} times`);
  for (const line of complaints.slice(0, 20)) console.log(`  ${line.slice(0, 300)}`);
  const calm = (calmBefore.seconds + calmAfter.seconds) / 2;
  console.log(
    JSON.stringify({
      faulted_vs_calm: Number((faulted.seconds / calm).toFixed(3)),
      failed_jobs: failed,
      of_jobs: jobs + 1,
      calm_seconds: calm,
      faulted_seconds: faulted.seconds,
    }),
  );
} finally {
  await host.stop();
  await Promise.all([blobWire.stop(), tableWire.stop()]);
  await azurite.stop();
}
