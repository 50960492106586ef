/**
 * @module
 * Policies as rows and as decisions. The wire form is stored unchanged; `readPolicy` in `src/policies/read-policy.ts`
 * extracts what the vault needs.
 */
import { z } from "zod";
import { DeletingSince } from "../foundation/deletion-mark.ts";
import { DATASOURCE_KINDS, type DatasourceKind } from "../vault/instance-document.ts";
import { TaggingCriterion } from "./retention-rules.ts";

/** Azure's name of a datasource type. */
export function datasourceType(kind: DatasourceKind): string {
  return `Microsoft.Storage/storageAccounts/${kind}`;
}

/** @returns undefined when this vault does not support the type; case-insensitive */
export function datasourceKind(type: string): DatasourceKind | undefined {
  return DATASOURCE_KINDS.find((kind) => datasourceType(kind).toLowerCase() === type.toLowerCase());
}

/** One repeating schedule: at `start`, and then once per period. */
export const RepeatingInterval = z.object({
  /** ISO 8601 with offset. */
  start: z.string(),
  every: z.object({ unit: z.enum(["minutes", "hours", "days", "weeks"]), count: z.int().positive() }),
  /** IANA name; days and weeks keep the local time of `start` in this zone, through daylight saving. */
  zone: z.string(),
});
export type RepeatingInterval = Readonly<z.infer<typeof RepeatingInterval>>;

/** Partition: vault key; row: the policy's name in lower case. */
export const PolicyRecord = z.object({
  armId: z.string(),
  name: z.string(),
  datasourceTypes: z.array(z.string()),
  /** `properties` of the resource as in the PUT. */
  properties: z.record(z.string(), z.unknown()),
  /** The parsed backup rule. Absent: the policy has no schedule and is for backups on demand only. */
  backupRule: z
    .object({
      name: z.string(),
      intervals: z.array(RepeatingInterval),
      /** In the order in which they are evaluated, the default last. */
      tagging: z.array(TaggingCriterion),
    })
    .optional(),
  /** Name of the default retention rule, if no backup rule has the default tag. */
  defaultTag: z.string().optional(),
  /** Names of the retention rules with their durations, ISO 8601. */
  retentionRules: z.array(z.object({ name: z.string(), keep: z.string() })),
  createdAt: z.string(),
  /** When the schedule was last changed; there are no slots up to then. Absent: never changed. ISO 8601 UTC. */
  slotsAfter: z.string().optional(),
  deletingSince: DeletingSince,
});
export type PolicyRecord = Readonly<z.infer<typeof PolicyRecord>>;
