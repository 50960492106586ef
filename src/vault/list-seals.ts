import { VaultError } from "../foundation/errors.ts";
import { unlessDamaged } from "./damage.ts";
import { recoveryPointOfSeal, SEALS_PREFIX, sealPath } from "./names.ts";
import { decodeSeal, SEQUENCE_METADATA } from "./seal.ts";
import type { VaultFiles } from "./vault-files.ts";

type Files = Pick<VaultFiles, "list" | "read">;

export interface SealedPoint {
  readonly id: string;
  readonly sequence: number;
}

export interface ListedSeal {
  readonly id: string;
  /** Undefined when the blob metadata gives something else than a number, or there is none and the seal gives none. */
  readonly sequence: number | undefined;
}

/**
 * Lists the sealed recovery points from the vault itself, which is the truth about them; in no order.
 *
 * @throws VaultError `format/corrupt`, `format/missing`, `format/newer-version` when a seal without metadata cannot be read
 */
export async function listSeals(vault: Files): Promise<SealedPoint[]> {
  const found: SealedPoint[] = [];
  for await (const { id, noted } of sealsOf(vault)) {
    found.push({ id, sequence: numberOf(noted) ?? (await sequenceInSeal(vault, id)) });
  }
  return found;
}

/** Lists them as {@link listSeals} does, but a damaged seal does not hide the others. */
export async function listReadableSeals(vault: Files): Promise<ListedSeal[]> {
  const found: ListedSeal[] = [];
  for await (const { id, noted } of sealsOf(vault)) {
    found.push({
      id,
      sequence: noted === undefined ? await unlessDamaged(() => sequenceInSeal(vault, id)) : numberOf(noted),
    });
  }
  return found;
}

/** @returns `noted` undefined for a seal whose metadata was lost, as when a tool that drops it copied the vault */
async function* sealsOf(vault: Files): AsyncGenerator<{ readonly id: string; readonly noted: string | undefined }> {
  for await (const { path, metadata } of vault.list(SEALS_PREFIX)) {
    const id = recoveryPointOfSeal(path);
    if (id !== undefined) yield { id, noted: metadata[SEQUENCE_METADATA] };
  }
}

function numberOf(noted: string | undefined): number | undefined {
  const number = Number(noted);
  return Number.isSafeInteger(number) && number > 0 ? number : undefined;
}

async function sequenceInSeal(vault: Files, recoveryPointId: string): Promise<number> {
  const path = sealPath(recoveryPointId);
  const content = await vault.read(path);
  if (content === undefined) throw new VaultError("format/missing", `'${path}' was listed but cannot be read`);
  return decodeSeal(path, content).sequence;
}
