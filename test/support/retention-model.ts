import { crc32 } from "node:zlib";
import { entryOf, relabel } from "../../src/backup/compare-listing.ts";
import type { ListedBlob } from "../../src/backup/datasource.ts";
import { type Attempt, attemptRow, listAttempts } from "../../src/debris/attempts.ts";
import { sweepDebrisActivity } from "../../src/debris/sweep-debris.ts";
import type { Job } from "../../src/jobs/job.ts";
import { decodeEntry, type EntryLine, encodeEntry, headOf } from "../../src/vault/entry.ts";
import { listSeals } from "../../src/vault/list-seals.ts";
import { objectPath, sealPath, segmentPath } from "../../src/vault/names.ts";
import { type SegmentRef, sha256Of } from "../../src/vault/segment.ts";
import type { SweepableVault } from "../../src/vault/vault-files.ts";
import { CrashSwitch } from "./crash-switch.ts";
import { MemoryAccount, MemoryDatasource, MemoryVault } from "./memory-account.ts";
import { MemoryRecords } from "./memory-records.ts";
import type { Backups } from "./retention-world.ts";
import { sealPoint } from "./sealed-point.ts";

const VAULT = "vault";
const INSTANCE = "1".repeat(32);
const TIME = "2026-01-01T00:00:00.000Z";
const SEGMENT_ENTRIES = 2;

interface HeldSegment {
  readonly ref: SegmentRef;
  readonly lines: readonly EntryLine[];
}

/**
 * Backups with the rules of the format in their simplest form: no orchestration, ranges, queues or locks, and the
 * previous manifest in memory. So histories are cheap; the real sweep deletes debris.
 */
export class ModelBackups implements Backups {
  readonly source = new MemoryAccount();
  readonly crash = new CrashSwitch();
  readonly moments = 50;
  readonly #vault = new MemoryVault(this.source);
  readonly #datasource = new MemoryDatasource(this.source);
  readonly #jobs = new MemoryRecords<Job>();
  readonly #attempts = new MemoryRecords<Attempt>();
  /** By recovery point and container. */
  readonly #manifests = new Map<string, Map<string, readonly HeldSegment[]>>();
  #underWay: { readonly attempt: Attempt; readonly previous: string | undefined } | undefined;
  #last: string | undefined;

  get files(): MemoryVault["files"] {
    return this.#vault.files;
  }

  vault(): MemoryVault {
    return this.crash.wrap(this.#vault);
  }

  async backup(job: string): Promise<void> {
    const isRepeated = this.#underWay !== undefined;
    if (this.#underWay !== undefined && this.files.has(sealPath(this.#underWay.attempt.recoveryPoint))) {
      // It crashed after the seal; a sealed point stays unchanged.
      this.#underWay = undefined;
      return;
    }
    this.#underWay ??= await this.#begin(job);
    const { attempt, previous } = this.#underWay;
    const { recoveryPoint, sequence } = attempt;
    const vault = this.vault();
    const manifest = new Map<string, readonly HeldSegment[]>();
    for (const container of attempt.containers) {
      const before = this.#manifests.get(previous ?? "")?.get(container) ?? [];
      manifest.set(container, await this.#copyContainer(vault, attempt, container, before));
    }
    this.#manifests.set(recoveryPoint, manifest);
    await this.#jobs.put(VAULT, job, jobRow(job, "Completed"));
    const containers = Object.fromEntries(
      [...manifest].map(([name, held]) => [name, { segments: held.map(({ ref }) => ref) }]),
    );
    await sealPoint(vault, { recoveryPoint, sequence, job, instance: INSTANCE, containers }, (path, content) =>
      this.#createAnew(vault, path, content),
    );
    if (!isRepeated) await this.#attempts.remove(INSTANCE, attemptRow(attempt));
    this.#underWay = undefined;
  }

  async giveUp(job: string): Promise<void> {
    await this.#jobs.put(VAULT, job, jobRow(job, "Failed"));
    this.#underWay = undefined;
  }

  async sweep(): Promise<void> {
    if (this.#last === undefined || this.#attempts.size === 0) return;
    const deps = {
      jobs: this.#jobs,
      attempts: this.#attempts,
      vault: () => this.vault(),
      clock: () => new Date(0),
      settings: { budgetMs: 1 },
    };
    await sweepDebrisActivity(deps, { vault: VAULT, job: this.#last });
  }

  async restore(): Promise<undefined> {
    return undefined;
  }

  async attempts(): Promise<number[]> {
    if (this.#attempts.size === 0) return [];
    return (await listAttempts(this.#attempts, INSTANCE)).map(({ sequence }) => sequence);
  }

  async #begin(job: string): Promise<{ readonly attempt: Attempt; readonly previous: string | undefined }> {
    this.#last = job;
    const newest = (await listSeals(this.vault())).toSorted((a, b) => b.sequence - a.sequence)[0];
    const sequence = (newest?.sequence ?? 0) + 1;
    const containers = await this.#datasource.listContainers();
    const attempt: Attempt = { job, recoveryPoint: `point-of-${job}`, sequence, containers };
    await this.#attempts.put(INSTANCE, attemptRow(attempt), attempt);
    await this.#jobs.put(VAULT, job, jobRow(job, "InProgress"));
    return { attempt, previous: newest?.id };
  }

  async #copyContainer(
    vault: MemoryVault,
    { recoveryPoint, sequence }: Attempt,
    container: string,
    before: readonly HeldSegment[],
  ): Promise<HeldSegment[]> {
    const known = new Map(before.flatMap(({ lines }) => lines.map((line) => [decodeEntry(line).name, line] as const)));
    const lines: EntryLine[] = [];
    const names: string[] = [];
    for await (const page of this.#datasource.listPages(container, { from: { name: "", after: false } })) {
      for (const blob of page) {
        names.push(blob.name);
        lines.push(await this.#take(vault, container, blob, known.get(blob.name), sequence));
      }
    }
    const held: HeldSegment[] = [];
    const write = async (some: EntryLine[]): Promise<void> => {
      while (some.length > 0) {
        held.push(await this.#writeSegment(vault, recoveryPoint, container, some.splice(0, SEGMENT_ENTRIES)));
      }
    };
    let next = 0;
    for (const [i, segment] of before.entries()) {
      const until = before[i + 1]?.ref.first;
      const from = next;
      while (next < names.length && (until === undefined || (names[next] ?? "") < until)) next += 1;
      const now = lines.slice(from, next);
      const isSame = now.length === segment.lines.length && now.every((line, n) => line === segment.lines[n]);
      if (isSame) held.push(segment);
      else await write(now);
    }
    if (before.length === 0) await write(lines);
    return held;
  }

  async #writeSegment(
    vault: MemoryVault,
    recoveryPoint: string,
    container: string,
    lines: readonly EntryLine[],
  ): Promise<HeldSegment> {
    const content = storedGzip(`${lines.join("\n")}\n`);
    const sha256 = sha256Of(content);
    const heads = lines.map(headOf);
    const path = segmentPath(recoveryPoint, container, "000000", 0, sha256);
    await vault.create(path, content, { contentType: "application/gzip" });
    const ref = {
      path,
      sha256,
      first: heads[0]?.name ?? "",
      last: heads.at(-1)?.name ?? "",
      entries: lines.length,
      bytes: heads.reduce((sum, { size }) => sum + size, 0),
    };
    return { ref, lines };
  }

  async #take(
    vault: MemoryVault,
    container: string,
    listed: ListedBlob,
    before: EntryLine | undefined,
    birth: number,
  ): Promise<EntryLine> {
    const entry = before === undefined ? undefined : decodeEntry(before);
    if (entry?.etag === listed.etag) return encodeEntry(relabel(entry, listed));
    const { name, etag, size } = listed;
    await vault.copyObject({ container, name, etag, size }, objectPath(container, name, etag, birth), () => true);
    return encodeEntry(entryOf(listed, birth));
  }

  /** An earlier attempt may have written it from the source's content at that time. */
  async #createAnew(vault: SweepableVault, path: string, content: Uint8Array): Promise<void> {
    for await (const file of vault.list(path)) await vault.remove([{ path: file.path, etag: file.etag }]);
    await vault.create(path, content, { contentType: "application/json" });
  }
}

function jobRow(id: string, status: Job["status"]): Job {
  return {
    id,
    vault: VAULT,
    instanceName: "lake",
    instance: INSTANCE,
    status,
    requestedBy: "schedule",
    request: { kind: "backup", slot: TIME, rule: "BackupDaily" },
    startedAt: TIME,
    policyName: "daily",
  };
}

/** The gzip format without compression, which is too expensive for a few lines. */
function storedGzip(text: string): Uint8Array {
  const content = Buffer.from(text);
  const file = Buffer.alloc(content.length + 23);
  // Header of RFC 1952, then one last, stored block of RFC 1951: its length, the same inverted, and the content.
  file.set([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1]);
  file.writeUInt16LE(content.length, 11);
  file.writeUInt16LE(content.length ^ 0xffff, 13);
  content.copy(file, 15);
  file.writeUInt32LE(crc32(content), content.length + 15);
  file.writeUInt32LE(content.length, content.length + 19);
  return file;
}
