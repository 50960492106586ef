import { z } from "zod";

/** The datasource types, by the last part of their Azure names. */
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

/** `instance.json`: what a vault container protects, so that the vault explains itself without the app's tables. */
export const InstanceFile = z.object({
  formatVersion: z.literal(1),
  instance: z.string(),
  /** ARM id of the backup instance. */
  resourceId: z.string(),
  friendlyName: z.string(),
  datasource: ProtectedAccount,
  createdAt: z.string(),
});
export type InstanceFile = Readonly<z.infer<typeof InstanceFile>>;
