import { VaultError } from "../foundation/errors.ts";
import { recoveryPointOfSeal, SEALS_PREFIX, sealPath } from "./names.ts";
import { decodeSeal, SEQUENCE_METADATA } from "./seal.ts";
import type { VaultFiles } from "./vault-files.ts";

export interface SealedPoint {
  readonly id: string;
  readonly sequence: number;
}

/** Lists the recovery points that exist, from the vault account, which is authoritative; in no order. */
export async function listSeals(vault: Pick<VaultFiles, "list" | "read">): Promise<SealedPoint[]> {
  const found: SealedPoint[] = [];
  for await (const { path, metadata } of vault.list(SEALS_PREFIX)) {
    const id = recoveryPointOfSeal(path);
    if (id === undefined) continue;
    found.push({ id, sequence: Number(metadata[SEQUENCE_METADATA] ?? (await sequenceInSeal(vault, id))) });
  }
  return found;
}

/** For a seal whose blob metadata was lost, for example when a tool copied the vault without metadata. */
async function sequenceInSeal(vault: Pick<VaultFiles, "read">, recoveryPointId: string): Promise<number> {
  const path = sealPath(recoveryPointId);
  const content = await vault.read(path);
  if (content === undefined) throw new VaultError("format/missing", `'${path}' was listed but cannot be read`);
  return decodeSeal(path, content).sequence;
}
