import { z } from "zod";
import { deriveId } from "../foundation/ids.ts";
import { ContainerChoice, Deletion, PROTECTION_STATES, ProtectedAccount } from "../vault/instance-document.ts";
import { WireObject } from "./vault-record.ts";

/** Id of a backup instance, 32 hexadecimal digits; names its container in the vault account. */
export function backupInstanceId(instanceArmId: string): string {
  return deriveId("instance", instanceArmId.toLowerCase());
}

/** Partition: vault key; row: the instance's name in lower case. */
export const BackupInstance = z.object({
  /** 32 hexadecimal digits. */
  id: z.string(),
  name: z.string(),
  armId: z.string(),
  vaultArmId: z.string(),
  friendlyName: z.string(),
  datasource: ProtectedAccount,
  containers: ContainerChoice,
  policyName: z.string(),
  protectionState: z.enum(PROTECTION_STATES),
  /** `properties` of the resource as it was put. */
  properties: WireObject,
  tags: z.record(z.string(), z.string()).optional(),
  createdAt: z.string(),
  /** When it was last assigned to another policy or resumed: it has no slots up to then. ISO 8601 UTC. */
  slotsAfter: z.string().optional(),
  /** Present while it is `SoftDeleted`. Times are ISO 8601 UTC. */
  deletion: Deletion.optional(),
});
export type BackupInstance = Readonly<z.infer<typeof BackupInstance>>;
