import { VaultError } from "../foundation/errors.ts";
import { recoveryPointOfSeal, SEALS_PREFIX, sealPath } from "./names.ts";
import { decodeSeal, SEQUENCE_METADATA } from "./seal.ts";
import type { VaultFiles } from "./vault-files.ts";

export interface SealedPoint {
  readonly id: string;
  readonly sequence: number;
}

/** Reads from the vault itself, which is the truth about recovery points, which there are; in no order. */
export async function listSeals(vault: Pick<VaultFiles, "list" | "read">): Promise<SealedPoint[]> {
  const found: SealedPoint[] = [];
  for await (const { path, metadata } of vault.list(SEALS_PREFIX)) {
    const id = recoveryPointOfSeal(path);
    if (id === undefined) continue;
    found.push({ id, sequence: Number(metadata[SEQUENCE_METADATA] ?? (await sequenceInSeal(vault, id))) });
  }
  return found;
}

/** For a seal whose blob metadata was lost, as when a vault was copied by a tool that drops it. */
async function sequenceInSeal(vault: Pick<VaultFiles, "read">, recoveryPointId: string): Promise<number> {
  const path = sealPath(recoveryPointId);
  const content = await vault.read(path);
  if (content === undefined) throw new VaultError("format/missing", `'${path}' was listed and cannot be read`);
  return decodeSeal(path, content).sequence;
}
