import { mapBounded } from "../foundation/bounded-pool.ts";
import type { Clock } from "../foundation/clock.ts";
import { deadline } from "../foundation/deadline.ts";
import { type FailureCode, VaultError } from "../foundation/errors.ts";
import { listRecords, type RecordTable, type Stored } from "../foundation/records.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import type { RecoveryPoint } from "../instances/recovery-point.ts";
import type { Schedule } from "../instances/schedules.ts";
import { type VaultRecord, vaultKey } from "../instances/vault-record.ts";
import type { PolicyRecord } from "../policies/policy-record.ts";
import { decodeInstanceDocument, type InstanceDocument } from "../vault/instance-document.ts";
import { listJournals } from "../vault/list-journals.ts";
import {
  INSTANCE_FILE,
  instanceOfContainer,
  recoveryPointOfSeal,
  SEALS_PREFIX,
  sealPath,
  vaultContainerName,
} from "../vault/names.ts";
import { decodeSeal } from "../vault/seal.ts";
import {
  decodePolicyDocument,
  decodeVaultDocument,
  POLICIES_PREFIX,
  VAULT_DOCUMENT,
  vaultFilesContainer,
  vaultOfContainer,
} from "../vault/vault-document.ts";
import type { VaultFiles } from "../vault/vault-files.ts";
import {
  type InstancePlace,
  instanceRowOf,
  newestPoint,
  placeOf,
  policyRowOf,
  recoveryPointRowOf,
  scheduleRowOf,
  vaultRowOf,
} from "./decide-rows.ts";
import { makeRow, removeUnchanged } from "./make-row.ts";
import { decodePosition, encodePosition, isAhead, type RebuildPosition } from "./rebuild-position.ts";
import type { RebuildRequest, RebuildResult, RebuiltKind, VaultAccount } from "./rebuild-request.ts";
import { Tally } from "./tally.ts";

export interface RebuildDeps {
  readonly vaults: RecordTable<VaultRecord>;
  readonly policies: RecordTable<PolicyRecord>;
  readonly instances: RecordTable<BackupInstance>;
  readonly schedules: RecordTable<Schedule>;
  readonly recoveryPoints: RecordTable<RecoveryPoint>;
  readonly vaultAccount: VaultAccount;
  readonly clock: Clock;
  readonly settings?: RebuildSettings;
}

export interface RebuildSettings {
  /** Time limit of one call, ms; then it finishes what it has started and returns a continuation. */
  readonly budgetMs: number;
  /** Recovery points inserted between two checks of the time. */
  readonly slice: number;
}

/** A quarter of the 230 seconds after which the front end of a function app times out a request. */
export const REBUILD_SETTINGS: RebuildSettings = { budgetMs: 55_000, slice: 512 };

/** Max findings of a call, so that its response stays short. */
const MAX_FINDINGS = 1_000;

/** Max concurrent reads of documents and writes of rows. */
const WIDTH = 32;

/**
 * Rebuilds the rows of one vault, or of all, from the vault account: vaults, policies, instances and their schedules,
 * recovery points. Jobs, operations, locks, attempts and progress are history and not in the vault account.
 *
 * Existing rows stay unchanged, with the notes of scrubs and backups in them: a document is written before its row, so
 * the row is up to date. Only rows of recovery points without a seal are deleted. The vault account is only read.
 * Unreadable documents are reported, and everything else is done. A point with a running purge gets no row.
 *
 * One call runs for about as long as its settings say, and returns a continuation for the next one. The row of an
 * instance is written after those of its recovery points, so that an instance with a row is complete.
 *
 * Safe to run twice and concurrently, also with backups, purges and API requests: rows are only inserted, and a row
 * whose document was deleted meanwhile is deleted again.
 *
 * @throws VaultError `request/invalid` when the continuation is invalid
 */
export async function rebuildRows(deps: RebuildDeps, request: RebuildRequest): Promise<RebuildResult> {
  const start = decodePosition(request.continuation);
  const rebuild = new RowRebuild(deps, request.vaultArmId);
  const end = await rebuild.run(start, request.isVaultOnly === true);
  return { ...rebuild.tally.result, ...(end === undefined ? {} : { continuation: encodePosition(end) }) };
}

type Files = Pick<VaultFiles, "read" | "list">;

/** An instance with a readable document. */
interface DocumentedInstance {
  readonly id: string;
  readonly file: InstanceDocument;
  readonly place: InstancePlace;
  readonly files: Files;
}

class RowRebuild {
  readonly tally = new Tally();
  readonly #deps: RebuildDeps;
  readonly #settings: RebuildSettings;
  /** The only vault to rebuild. */
  readonly #only: { readonly armId: string; readonly key: string } | undefined;
  readonly #hasTime: () => boolean;

  constructor(deps: RebuildDeps, vaultArmId: string | undefined) {
    this.#deps = deps;
    this.#settings = deps.settings ?? REBUILD_SETTINGS;
    this.#only = vaultArmId === undefined ? undefined : { armId: vaultArmId, key: vaultKey(vaultArmId) };
    this.#hasTime = deadline(deps.clock, this.#settings.budgetMs);
  }

  /** @returns the continuation; undefined when all is done */
  async run(start: RebuildPosition, isVaultOnly: boolean): Promise<RebuildPosition | undefined> {
    if (start.stage === "vaults") {
      const keys = this.#only === undefined ? await this.#names("vault-", vaultOfContainer) : [this.#only.key];
      for (const key of keys.filter((key) => key > start.after)) {
        await this.#vault(key);
        if (this.#mustEnd()) return { stage: "vaults", after: key };
      }
    }
    if (isVaultOnly) return undefined;
    const ids = (await this.#names("bi-", instanceOfContainer)).filter((id) => isAhead(id, start));
    for (let at = 0; at < ids.length; at += WIDTH) {
      const batch = ids.slice(at, at + WIDTH);
      const contents = await mapBounded(batch, WIDTH, (id) => this.#filesOf(id).read(INSTANCE_FILE));
      for (const [nth, id] of batch.entries()) {
        const instance = await this.#readInstance(id, contents[nth]);
        if (instance !== undefined && (this.#only === undefined || this.#only.key === instance.place.vault)) {
          const after = start.stage === "points" && start.instance === id ? start.after : "";
          const point = await this.#instance(instance, after);
          if (point !== undefined) return { stage: "points", instance: id, after: point };
        }
        if (this.#mustEnd()) return { stage: "instances", after: id };
      }
    }
    return undefined;
  }

  #mustEnd(): boolean {
    return !this.#hasTime() || this.tally.findings >= MAX_FINDINGS;
  }

  async #names(prefix: string, keyOf: (container: string) => string | undefined): Promise<string[]> {
    const found: string[] = [];
    for await (const name of this.#deps.vaultAccount.containers(prefix)) {
      const key = keyOf(name);
      if (key !== undefined) found.push(key);
    }
    return found.sort();
  }

  async #vault(key: string): Promise<void> {
    const files = this.#deps.vaultAccount.files(vaultFilesContainer(key));
    const read = () => files.read(VAULT_DOCUMENT);
    await this.#orTell("vault", this.#only?.armId ?? vaultFilesContainer(key), async () => {
      const content = await read();
      if (content === undefined) throw missing(VAULT_DOCUMENT, "put the vault with the settings that it had");
      const wanted = vaultRowOf(key, decodeVaultDocument(VAULT_DOCUMENT, content));
      const made = await makeRow(this.#deps.vaults, wanted, read);
      this.tally.tell({ kind: "vault", name: wanted.value.armId, ...made });
    });
    const paths = await pathsBelow(files, POLICIES_PREFIX);
    await mapBounded(paths, WIDTH, (path) => this.#policy(key, files, path));
  }

  async #policy(key: string, files: Files, path: string): Promise<void> {
    const read = () => files.read(path);
    await this.#orTell("policy", `${vaultFilesContainer(key)}/${path}`, async () => {
      const content = await read();
      if (content === undefined) return;
      const wanted = policyRowOf(key, path, decodePolicyDocument(path, content));
      const made = await makeRow(this.#deps.policies, wanted, read);
      this.tally.tell({ kind: "policy", name: wanted.value.armId, ...made });
    });
  }

  #filesOf(instance: string): Files {
    return this.#deps.vaultAccount.files(vaultContainerName(instance));
  }

  /**
   * Parses an instance's document. An unreadable one may be of any vault, so it is reported for every vault.
   *
   * @param content - of `instance.json`
   */
  async #readInstance(id: string, content: Uint8Array | undefined): Promise<DocumentedInstance | undefined> {
    const files = this.#filesOf(id);
    return await this.#orTell("instance", vaultContainerName(id), async () => {
      if (content !== undefined) {
        const file = decodeInstanceDocument(INSTANCE_FILE, content);
        return { id, file, place: placeOf(id, file), files };
      }
      // An empty container is about to be filled or deleted.
      if (await isEmpty(files)) return undefined;
      throw missing(INSTANCE_FILE, "put the instance again under its former name, then run the rebuild again");
    });
  }

  /** @returns the recovery point after which to continue, when the time is over before it is done */
  async #instance(instance: DocumentedInstance, after: string): Promise<string | undefined> {
    return await this.#orTell("instance", instance.file.resourceId, async () => {
      const point = await this.#points(instance, after);
      if (point === undefined) await this.#end(instance);
      return point;
    });
  }

  /** @returns the recovery point after which to continue, when the time is over before all have their rows */
  async #points({ id, files }: DocumentedInstance, after: string): Promise<string | undefined> {
    const rows = new Set<string>();
    for await (const { row } of listRecords(this.#deps.recoveryPoints, id)) rows.add(row);
    const sealed = (await sealedPoints(files)).filter((point) => point > after);
    const purging = new Set((await listJournals(files)).map(({ recoveryPoint }) => recoveryPoint));

    for (let at = 0; at < sealed.length; at += this.#settings.slice) {
      const slice = sealed.slice(at, at + this.#settings.slice);
      await mapBounded(slice, WIDTH, async (point) => {
        if (rows.has(point)) this.tally.count("recoveryPoint", "kept");
        else if (purging.has(point)) {
          const because = "its purge is running";
          this.tally.tell({ kind: "recoveryPoint", name: sealPlace(id, point), outcome: "leftOut", because });
        } else await this.#point(id, files, point);
      });
      const last = slice.at(-1);
      if (at + slice.length < sealed.length && this.#mustEnd()) return last;
    }
    return undefined;
  }

  async #point(id: string, files: Files, point: string): Promise<void> {
    const path = sealPath(point);
    await this.#orTell("recoveryPoint", sealPlace(id, point), async () => {
      const content = await files.read(path);
      if (content === undefined) return;
      const { partition, row, value } = recoveryPointRowOf(id, point, decodeSeal(path, content));
      const made = await this.#deps.recoveryPoints.insert(partition, row, value);
      this.tally.count("recoveryPoint", made ? "made" : "kept");
    });
  }

  /** Completes an instance whose points all have their rows. */
  async #end({ id, file, place, files }: DocumentedInstance): Promise<void> {
    const { instances, schedules, clock } = this.#deps;
    const newest = newestPoint(await this.#sweepPoints(id, files));
    const read = () => files.read(INSTANCE_FILE);

    const schedule = await makeRow(schedules, scheduleRowOf(place, newest, clock()), read);
    this.tally.count("schedule", schedule.outcome);
    const made = await makeRow(instances, instanceRowOf(id, file, newest, clock()), read);
    this.tally.tell({ kind: "instance", name: file.resourceId, ...made });
  }

  /**
   * Deletes rows of recovery points without a seal, also those inserted just before the seal was deleted. The rows are
   * read before the seals: a seal is written before its row, so a row without one has lost it.
   *
   * @returns the others
   */
  async #sweepPoints(id: string, files: Files): Promise<RecoveryPoint[]> {
    const rows: Stored<RecoveryPoint>[] = [];
    for await (const stored of listRecords(this.#deps.recoveryPoints, id)) rows.push(stored);
    const sealed = new Set(await sealedPoints(files));
    const lost = rows.filter(({ row }) => !sealed.has(row));
    await mapBounded(lost, WIDTH, async ({ row, etag }) => {
      if (!(await removeUnchanged(this.#deps.recoveryPoints, id, row, etag))) return;
      this.tally.tell({
        kind: "recoveryPoint",
        name: sealPlace(id, row),
        outcome: "removed",
        because: "it has no seal",
      });
    });
    return rows.filter(({ row }) => sealed.has(row)).map(({ value }) => value);
  }

  /** Runs a step; reports an invalid document and continues with the others. */
  async #orTell<T>(kind: RebuiltKind, name: string, read: () => Promise<T>): Promise<T | undefined> {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof VaultError && UNREADABLE.has(error.code))) throw error;
      const because = error.hint === undefined ? error.message : `${error.message}; ${error.hint}`;
      this.tally.tell({ kind, name, outcome: "unreadable", because, code: error.code });
      return undefined;
    }
  }
}

/** Failures of a document, not of access to it. */
const UNREADABLE: ReadonlySet<string> = new Set<FailureCode>([
  "format/corrupt",
  "format/missing",
  "format/newer-version",
  "policy/invalid",
]);

function sealPlace(id: string, point: string): string {
  return `${vaultContainerName(id)}/${sealPath(point)}`;
}

function missing(path: string, hint: string): VaultError {
  return new VaultError("format/missing", `'${path}' was not found`, { hint });
}

/** Ascending. */
async function sealedPoints(files: Files): Promise<string[]> {
  return (await pathsBelow(files, SEALS_PREFIX)).flatMap((path) => recoveryPointOfSeal(path) ?? []).sort();
}

async function pathsBelow(files: Files, prefix: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const { path } of files.list(prefix)) paths.push(path);
  return paths;
}

async function isEmpty(files: Files): Promise<boolean> {
  for await (const _ of files.list("")) return false;
  return true;
}
