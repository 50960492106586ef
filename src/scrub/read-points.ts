/**
 * @module
 * The recovery points of an instance as a scrub finds them: it must not be stopped by what is damaged, nor take a damaged
 * file for a whole one because some cache has it.
 */
import { VaultError } from "../foundation/errors.ts";
import { listRecords, type RecordTable } from "../foundation/records.ts";
import type { RecoveryPoint } from "../instances/recovery-point.ts";
import { listJournals } from "../vault/list-journals.ts";
import { listReadableSeals } from "../vault/list-seals.ts";
import type { ManifestIndex } from "../vault/manifest-index.ts";
import { indexPath } from "../vault/names.ts";
import { readIndex, readSeal } from "../vault/read-manifest.ts";
import type { Seal } from "../vault/seal.ts";
import type { VaultFiles } from "../vault/vault-files.ts";

type Files = Pick<VaultFiles, "read" | "list">;

export interface FoundPoint {
  readonly id: string;
  readonly sequence: number;
  /** False: it has a row and no seal, and nobody purges it. */
  readonly isSealed: boolean;
  /** Absent: nobody has made it yet, or the tables were lost. */
  readonly row: RecoveryPoint | undefined;
}

export interface FoundPoints {
  /** Ascending by number. */
  readonly points: readonly FoundPoint[];
  /** Seals of which nobody can tell the number. */
  readonly unplaced: readonly string[];
}

/**
 * Lists the recovery points that there are, and those that should be there.
 *
 * A point that is being purged is none of the latter: its purge writes a journal, then removes the seal, then the row,
 * then the journal. So one that has a row before the seals are listed, no seal, no journal after that, and still a row, is
 * not purged by us.
 */
export async function findPoints(
  vault: Files,
  recoveryPoints: RecordTable<RecoveryPoint>,
  instanceId: string,
): Promise<FoundPoints> {
  const rows = new Map<string, RecoveryPoint>();
  for await (const { row, value } of listRecords(recoveryPoints, instanceId)) rows.set(row, value);

  const points: FoundPoint[] = [];
  const unplaced: string[] = [];
  for (const { id, sequence } of await listReadableSeals(vault)) {
    const row = rows.get(id);
    rows.delete(id);
    const number = sequence ?? row?.sequence;
    if (number === undefined) unplaced.push(id);
    else points.push({ id, sequence: number, isSealed: true, row });
  }
  if (rows.size > 0) {
    const purged = new Set((await listJournals(vault)).map(({ recoveryPoint }) => recoveryPoint));
    for (const [id, row] of rows) {
      if (purged.has(id) || (await recoveryPoints.get(instanceId, id)) === undefined) continue;
      points.push({ id, sequence: row.sequence, isSealed: false, row });
    }
  }
  return { points: points.sort(byNumber), unplaced };
}

export function byNumber(a: Pick<FoundPoint, "id" | "sequence">, b: Pick<FoundPoint, "id" | "sequence">): number {
  return a.sequence - b.sequence || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/** What the row of a point repeats of its seal, which itself stands in no file with a hash. */
const REPEATED = ["job", "slot", "time", "sealedAt", "tag", "policy", "entries", "bytes"] as const;

/**
 * Reads a seal and checks that it is the one of this point: that it says its own id and number, adds up, names its own
 * indexes, and agrees with its row where there is one.
 *
 * @throws VaultError `recovery-point/not-found`, `format/corrupt`, `format/newer-version`
 */
export async function readCheckedSeal(files: Pick<VaultFiles, "read">, point: FoundPoint): Promise<Seal> {
  const seal = await readSeal(files, point.id);
  const { id, sequence, row } = point;
  const names = new Set(seal.containers.map(({ name }) => name));
  const sum = (of: "entries" | "bytes"): number => seal.containers.reduce((total, one) => total + one[of], 0);
  const rules: readonly (readonly [boolean, string])[] = [
    [seal.recoveryPoint === id, "it names another recovery point"],
    [seal.sequence === sequence, `it has number ${seal.sequence}, not ${sequence}`],
    [names.size === seal.containers.length, "it names a container twice"],
    [seal.containers.every(({ name, index }) => index.path === indexPath(id, name)), "it names a foreign index"],
    [sum("entries") === seal.entries && sum("bytes") === seal.bytes, "its containers do not add up"],
    [row === undefined || REPEATED.every((member) => row[member] === seal[member]), "its row says otherwise"],
  ];
  const wrong = rules.find(([isKept]) => !isKept);
  if (wrong === undefined) return seal;
  throw new VaultError("format/corrupt", `the seal of recovery point '${id}' is not as it was written: ${wrong[1]}`);
}

/**
 * Reads an index, which has the SHA-256 that its seal says, and checks that it is of this container and adds up to what
 * its seal says.
 *
 * @returns undefined when the point does not hold the container
 * @throws VaultError `format/missing`, `format/corrupt`, `format/newer-version`
 */
export async function readCheckedIndex(
  files: Pick<VaultFiles, "read">,
  seal: Seal,
  container: string,
): Promise<ManifestIndex | undefined> {
  const index = await readIndex(files, seal, container);
  const sealed = seal.containers.find(({ name }) => name === container);
  if (index === undefined || sealed === undefined) return undefined;
  const isIts =
    index.container === container &&
    index.recoveryPoint === seal.recoveryPoint &&
    index.entries === sealed.entries &&
    index.bytes === sealed.bytes;
  if (isIts) return index;
  throw new VaultError("format/corrupt", `'${sealed.index.path}' is not what its seal says`);
}

/** Whether a file of the vault is not there or not what it should be; whatever else failed says nothing of it. */
export function isDamage(error: unknown): boolean {
  return error instanceof VaultError && (error.code === "format/corrupt" || error.code === "format/missing");
}

/** @returns undefined when what is read is damaged */
export async function unlessDamaged<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!isDamage(error)) throw error;
    return undefined;
  }
}

/** @returns undefined when the recovery point is not there any more */
export async function unlessGone<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof VaultError) || error.code !== "recovery-point/not-found") throw error;
    return undefined;
  }
}
