import { z } from "zod";
import { DeletingSince } from "../foundation/deletion-mark.ts";
import { deriveId } from "../foundation/ids.ts";

/** The key of a vault: derived from its ARM id, which is case-insensitive. */
export function vaultKey(vaultArmId: string): string {
  return deriveId("vault", vaultArmId.toLowerCase());
}

/** JSON as a caller sent it; it is returned unchanged. */
export const WireObject = z.record(z.string(), z.unknown());

/** Partition: subscription id in lower case; row: `<resource group>|<name>` in lower case. */
export const VaultRecord = z.object({
  armId: z.string(),
  name: z.string(),
  location: z.string(),
  tags: z.record(z.string(), z.string()).optional(),
  identity: WireObject.optional(),
  properties: WireObject,
  createdAt: z.string(),
  deletingSince: DeletingSince,
});
export type VaultRecord = Readonly<z.infer<typeof VaultRecord>>;
