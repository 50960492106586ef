/**
 * @module Backs up one synthetic lake four times, with the production code for ranges, in its own process: so its peak
 *   memory is that of this lake alone. Started by `scale.ts`.
 */
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { BackupVault, CopyOutcome, SourceVersion } from "../src/backup/backup-vault.ts";
import { copyVersion } from "../src/backup/copy-version.ts";
import { AdaptivePool } from "../src/foundation/adaptive-pool.ts";
import { ManifestCache } from "../src/vault/manifest-cache.ts";
import { readIndex, readSeal } from "../src/vault/read-manifest.ts";
import type { Removal, VaultFile } from "../src/vault/vault-files.ts";
import { MemoryLake } from "../test/support/memory-lake.ts";
import { CONTAINER, DIRECTORIES, SyntheticLake } from "./scale-listing.ts";

/** The cost of one step. */
export interface Cost {
  /** Of all threads of the process. */
  readonly cpuSeconds: number;
  readonly seconds: number;
}

export interface ScaleResult {
  readonly entries: number;
  /** Only creating the listing, which every backup below does too. */
  readonly listing: Cost;
  /** Only creating the listing and requesting a copy of each blob, which is answered at once. */
  readonly copies: Cost;
  /** Every entry is new. */
  readonly first: Cost;
  readonly unchanged: Cost;
  /** All blobs of one directory, a thousandth of all, have a new ETag. */
  readonly directory: Cost;
  /** Every entry has a new ETag. */
  readonly changed: Cost;
  readonly segments: number;
  /** Segments that the backup with one changed directory wrote. */
  readonly rewrittenSegments: number;
  /** Stored bytes of segments and index of one recovery point. */
  readonly manifestBytes: number;
  /** Peak of all of the above. */
  readonly rssMib: number;
}

const COPY_WIDTH = 32;

/**
 * A vault whose manifests are files in a folder. Objects are not copied: a copy is one call that is answered at once.
 */
class FolderVault implements BackupVault {
  readonly #folder: string;
  readonly #markers: ReadonlyMap<string, string>;

  constructor(folder: string, markers: ReadonlyMap<string, string>) {
    this.#folder = folder;
    this.#markers = markers;
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    return readFile(join(this.#folder, path)).catch(() => undefined);
  }

  async create(path: string, content: Uint8Array): Promise<boolean> {
    if ((await this.read(path)) !== undefined) return false;
    await this.#write(path, content);
    return true;
  }

  async *list(prefix: string): AsyncGenerator<VaultFile> {
    const folder = join(this.#folder, prefix);
    const names = await readdir(folder, { recursive: true }).catch(() => []);
    for (const name of names.sort()) {
      const file = await stat(join(folder, name));
      const [path, etag] = [`${prefix}${name}`, String(file.mtimeMs)];
      if (file.isFile()) yield { path, size: file.size, metadata: {}, etag, writtenAt: file.mtime };
    }
  }

  async remove(files: readonly Removal[]): Promise<readonly string[]> {
    for (const { path } of files) await rm(join(this.#folder, path), { force: true });
    return [];
  }

  async copyObject(version: SourceVersion): Promise<CopyOutcome> {
    return { kind: "copied", movedBytes: version.size };
  }

  async copyMarker(_container: string, name: string, path: string): Promise<CopyOutcome> {
    await this.#write(path, Buffer.from(this.#markers.get(name) ?? ""));
    return { kind: "copied", movedBytes: 0 };
  }

  async #write(path: string, content: Uint8Array): Promise<void> {
    const file = join(this.#folder, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
  }

  async bytesBelow(prefix: string): Promise<number> {
    let bytes = 0;
    for await (const { size } of this.list(prefix)) bytes += size;
    return bytes;
  }
}

/** The capabilities over the synthetic lake and the folder, wired like in one process of the app. */
class ScaleLake extends MemoryLake {
  readonly files: FolderVault;
  readonly #datasource: SyntheticLake;
  readonly #manifests = new ManifestCache();
  readonly #copies = new AdaptivePool(
    { widest: COPY_WIDTH, retryForMs: 0 },
    { clock: () => new Date(), sleep: () => new Promise((resolve) => setImmediate(resolve)), random: () => 0 },
  );

  constructor(datasource: SyntheticLake, folder: string) {
    super();
    this.#datasource = datasource;
    this.files = new FolderVault(folder, datasource.markers);
  }

  override get deps() {
    return {
      ...super.deps,
      datasource: () => this.#datasource,
      vault: () => this.files,
      manifests: this.#manifests,
      pool: () => this.#copies,
      clock: () => new Date(),
      isStopping: () => false,
    };
  }
}

async function costOf(work: () => Promise<void>): Promise<Cost> {
  const cpu = process.cpuUsage();
  const from = performance.now();
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return { cpuSeconds: (user + system) / 1e6, seconds: (performance.now() - from) / 1e3 };
}

async function backUp(lake: ScaleLake, id: string): Promise<Cost> {
  const cost = await costOf(async () => {
    await lake.backup(id);
  });
  const { status } = await lake.job(id);
  if (status !== "Completed") throw new Error(`backup '${id}' ended ${status}`);
  return cost;
}

/** The segments of a recovery point, and the number of those that its own backup wrote. */
async function segmentsOf(lake: ScaleLake, job: string, entries: number): Promise<{ all: number; written: number }> {
  const point = (await lake.job(job)).recoveryPoint?.id ?? "";
  const index = await readIndex(lake.files, await readSeal(lake.files, point), CONTAINER);
  if (index?.entries !== entries) throw new Error(`'${job}' has ${index?.entries} entries, not ${entries}`);
  const written = index.segments.filter(({ path }) => path.startsWith(`manifests/${point}/`));
  return { all: index.segments.length, written: written.length };
}

async function run(entries: number, folder: string): Promise<ScaleResult> {
  const datasource = new SyntheticLake(entries);
  const lake = new ScaleLake(datasource, folder);
  await lake.protect();

  const pages = () => datasource.listPages(CONTAINER, { from: { name: "", after: false } });
  const listing = await costOf(async () => {
    for await (const _ of pages());
  });
  const { vault, pool } = lake.deps;
  const ports = { datasource, vault: vault() };
  const copies = await costOf(async () => {
    for await (const page of pages()) {
      await pool().map(page, (blob) => copyVersion(ports, CONTAINER, blob, 1, () => true));
    }
  });
  const first = await backUp(lake, "first");
  const manifestBytes = await lake.files.bytesBelow("manifests/");

  const unchanged = await backUp(lake, "unchanged");
  const second = await segmentsOf(lake, "unchanged", entries);
  if (second.written !== 0) throw new Error(`${second.written} segments were written although nothing had changed`);

  datasource.rewrite(DIRECTORIES / 2);
  const directory = await backUp(lake, "directory");
  const third = await segmentsOf(lake, "directory", entries);

  datasource.rewrite();
  const changed = await backUp(lake, "changed");
  await segmentsOf(lake, "changed", entries);

  return {
    entries,
    listing,
    copies,
    first,
    unchanged,
    directory,
    changed,
    segments: third.all,
    rewrittenSegments: third.written,
    manifestBytes,
    rssMib: process.resourceUsage().maxRSS / 1024,
  };
}

const folder = await mkdtemp(join(tmpdir(), "lakevault-scale-"));
try {
  const result = await run(Number(process.argv[2]), folder);
  process.send?.(result);
} finally {
  await rm(folder, { recursive: true });
}
