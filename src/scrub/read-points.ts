/**
 * @module
 * Recovery points of an instance for a scrub: damaged files must not stop it, and it must not read files from a cache,
 * which would hide damage.
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
  /** False: it has a row but no seal, and no purge runs. */
  readonly isSealed: boolean;
  /** Absent: not written yet, or the tables were lost. */
  readonly row: RecoveryPoint | undefined;
}

export interface FoundPoints {
  /** Ascending by number. */
  readonly points: readonly FoundPoint[];
  /** Seals whose number is unknown. */
  readonly unplaced: readonly string[];
}

/**
 * Lists the recovery points that exist, and those that should exist.
 *
 * A purge writes a journal, then deletes the seal, then the row, then the journal. So a point with a row read before
 * the seals are listed, no seal, no journal after that, and still a row, is not being purged: its seal is lost.
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
 * Reads a seal and checks that it belongs to this point: its id and number, its totals, the paths of its indexes, and
 * its row, if there is one.
 *
 * @throws VaultError `recovery-point/not-found`, `format/corrupt`, `format/newer-version`
 */
export async function readCheckedSeal(files: Pick<VaultFiles, "read">, point: FoundPoint): Promise<Seal> {
  const seal = await readSeal(files, point.id);
  const { id, sequence, row } = point;
  const names = new Set(seal.containers.map(({ name }) => name));
  const sum = (of: "entries" | "bytes"): number => seal.containers.reduce((total, one) => total + one[of], 0);
  const rules: readonly (readonly [boolean, string])[] = [
    [seal.recoveryPoint === id, "it has the id of another recovery point"],
    [seal.sequence === sequence, `it has number ${seal.sequence}, not ${sequence}`],
    [names.size === seal.containers.length, "it lists a container twice"],
    [seal.containers.every(({ name, index }) => index.path === indexPath(id, name)), "it refers to a foreign index"],
    [sum("entries") === seal.entries && sum("bytes") === seal.bytes, "its totals do not match its containers"],
    [row === undefined || REPEATED.every((member) => row[member] === seal[member]), "it does not match its row"],
  ];
  const wrong = rules.find(([isKept]) => !isKept);
  if (wrong === undefined) return seal;
  throw new VaultError("format/corrupt", `the seal of recovery point '${id}' is corrupt: ${wrong[1]}`);
}

/**
 * Reads an index, verifies it against the SHA-256 in its seal, and checks that its container and totals match the seal.
 *
 * @returns undefined when the point does not have the container
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
  throw new VaultError("format/corrupt", `'${sealed.index.path}' does not match its seal`);
}

/** @returns undefined when the recovery point no longer exists */
export async function unlessGone<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof VaultError) || error.code !== "recovery-point/not-found") throw error;
    return undefined;
  }
}
