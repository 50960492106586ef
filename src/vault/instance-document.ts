import { z } from "zod";
import { decodeDocument } from "./version.ts";

/** Datasource types, by the last part of their Azure names. */
export const DATASOURCE_KINDS = ["blobServices", "adlsBlobServices"] as const;
export type DatasourceKind = (typeof DATASOURCE_KINDS)[number];

/** The storage account that an instance protects. */
export const ProtectedAccount = z.object({
  /** ARM id of the storage account. */
  resourceId: z.string(),
  account: z.string(),
  kind: z.enum(DATASOURCE_KINDS),
  location: z.string().optional(),
});

/** Which containers of a datasource are protected. */
export const ContainerChoice = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("chosen"), names: z.array(z.string()) }),
  /** All containers that exist when a backup starts, without those that have one of these prefixes. */
  z.object({ kind: z.literal("all"), excludedPrefixes: z.array(z.string()) }),
]);
export type ContainerChoice = Readonly<z.infer<typeof ContainerChoice>>;

export const PROTECTION_STATES = [
  "ConfiguringProtection",
  "ProtectionConfigured",
  /** Suspended: no backups; points expire by policy, except the latest one. */
  "BackupSchedulesSuspended",
  /** No backups; points are kept forever. */
  "ProtectionStopped",
  /** Deleted: points are kept until `deletion.purgeAt`; until then it can be undeleted. */
  "SoftDeleted",
] as const;
export type ProtectionState = (typeof PROTECTION_STATES)[number];

/** When an instance was deleted, and when it will be purged. Times are ISO 8601 UTC. */
export const Deletion = z.object({
  deletedAt: z.string(),
  /** From this time on everything of the instance is deleted. */
  purgeAt: z.string(),
  /** Id of the operation that deleted it. */
  activity: z.string(),
});

/**
 * `instance.json`: what a vault container protects and how, so that the vault is self-contained without the app's
 * tables. Older files may lack members that were added later.
 */
export const InstanceDocument = z.object({
  formatVersion: z.literal(1),
  instance: z.string(),
  /** ARM id of the backup instance. */
  resourceId: z.string(),
  friendlyName: z.string(),
  datasource: ProtectedAccount,
  createdAt: z.string(),
  name: z.string().optional(),
  /** ARM id of the vault. */
  vault: z.string().optional(),
  containers: ContainerChoice.optional(),
  /** Name of the policy. */
  policy: z.string().optional(),
  protectionState: z.enum(PROTECTION_STATES).optional(),
  /** `properties` of the ARM resource as in the PUT. */
  properties: z.record(z.string(), z.unknown()).optional(),
  tags: z.record(z.string(), z.string()).optional(),
  /** No slots up to this time, ISO 8601 UTC. */
  slotsAfter: z.string().optional(),
  /** Present while it is `SoftDeleted`. */
  deletion: Deletion.optional(),
});
export type InstanceDocument = Readonly<z.infer<typeof InstanceDocument>>;

/** @throws VaultError `format/corrupt`, `format/newer-version` */
export function decodeInstanceDocument(path: string, content: Uint8Array): InstanceDocument {
  return decodeDocument(path, InstanceDocument, content);
}
