import { DateTime, IANAZone } from "luxon";
import { z } from "zod";
import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import { momentOf } from "./local-time.ts";
import { datasourceKind, datasourceType, type PolicyRecord, type RepeatingInterval } from "./policy-record.ts";
import { type RetentionRule, readRetentionRules, readTagging } from "./retention-rules.ts";
import { ianaOf } from "./zone-names.ts";

const DataStore = z.looseObject({ objectType: z.string().optional(), dataStoreType: z.string() });

const Lifecycle = z.looseObject({
  deleteAfter: z.looseObject({ objectType: z.string(), duration: z.string() }),
  sourceDataStore: DataStore,
  targetDataStoreCopySettings: z.array(z.unknown()).optional(),
});

const TaggingCriterion = z.looseObject({
  tagInfo: z.looseObject({ tagName: z.string(), id: z.string().optional() }),
  taggingPriority: z.int(),
  isDefault: z.boolean(),
  criteria: z.array(z.looseObject({ objectType: z.string() })).optional(),
});

const Trigger = z.looseObject({
  objectType: z.string(),
  schedule: z.looseObject({ repeatingTimeIntervals: z.array(z.string()), timeZone: z.string().optional() }).optional(),
  taggingCriteria: z.array(TaggingCriterion).optional(),
});

/** One rule on the wire; `objectType` decides which members it needs. */
const PolicyRule = z.looseObject({
  name: z.string().min(1),
  objectType: z.string(),
  isDefault: z.boolean().optional(),
  lifecycles: z.array(Lifecycle).optional(),
  backupParameters: z.looseObject({ objectType: z.string(), backupType: z.string() }).optional(),
  dataStore: DataStore.optional(),
  trigger: Trigger.optional(),
});
type PolicyRule = z.infer<typeof PolicyRule>;

/** `properties` of a policy on the wire (`BackupPolicy`). A rebuild reads stored policies with it: a new member must not refuse them. */
export const PolicyProperties = z.looseObject({
  objectType: z.string(),
  datasourceTypes: z.array(z.string()).min(1),
  policyRules: z.array(PolicyRule).min(1),
});
export type PolicyProperties = Readonly<z.infer<typeof PolicyProperties>>;

/**
 * Parses the parts of a policy that the vault needs.
 *
 * @throws VaultError `policy/invalid`, with the rule and what it lacks
 */
export function readPolicy(
  properties: PolicyProperties,
): Pick<PolicyRecord, "datasourceTypes" | "backupRule" | "defaultTag" | "retentionRules"> {
  if (properties.objectType !== "BackupPolicy") invalid(`objectType is '${properties.objectType}', not 'BackupPolicy'`);
  const datasourceTypes = properties.datasourceTypes.map((type) => {
    const kind = datasourceKind(type);
    return kind === undefined ? invalid(`datasource type '${type}' is not supported`) : datasourceType(kind);
  });

  const backupRules: PolicyRule[] = [];
  const retention: PolicyRule[] = [];
  const names = new Set<string>();
  for (const rule of properties.policyRules) {
    if (names.has(rule.name.toLowerCase())) invalid(`two rules have the name '${rule.name}'`);
    names.add(rule.name.toLowerCase());
    if (rule.objectType === "AzureBackupRule") backupRules.push(rule);
    else if (rule.objectType === "AzureRetentionRule") retention.push(rule);
    else invalid(`rule '${rule.name}' has the unknown objectType '${rule.objectType}'`);
  }
  if (backupRules.length > 1) invalid("more than one AzureBackupRule");
  const retentionRules = readRetentionRules(retention);
  const [backupRule] = backupRules;
  return {
    datasourceTypes,
    retentionRules,
    ...(backupRule === undefined
      ? { defaultTag: retention.find(({ isDefault }) => isDefault === true)?.name }
      : { backupRule: readBackupRule(backupRule, retentionRules) }),
  };
}

function invalid(problem: string, hint?: string): never {
  throw new VaultError("policy/invalid", `the policy is not valid: ${problem}`, present({ hint }));
}

function expectVaultStore(rule: string, dataStoreType: string | undefined): void {
  if (dataStoreType !== "VaultStore") invalid(`rule '${rule}' is for '${dataStoreType}', not for 'VaultStore'`);
}

/** One per hour of the week; each costs the scheduler some work every minute. */
const MAX_INTERVALS = 168;

function readBackupRule(
  rule: PolicyRule,
  retentionRules: readonly RetentionRule[],
): NonNullable<PolicyRecord["backupRule"]> {
  const { name, backupParameters, dataStore, trigger } = rule;
  if (backupParameters?.objectType !== "AzureBackupParams" || backupParameters.backupType !== "Discrete") {
    invalid(`rule '${name}' needs backupParameters AzureBackupParams of backupType 'Discrete'`);
  }
  expectVaultStore(name, dataStore?.dataStoreType);
  if (trigger?.objectType !== "ScheduleBasedTriggerContext" || trigger.schedule === undefined) {
    return invalid(`rule '${name}' needs a ScheduleBasedTriggerContext with a schedule`);
  }
  const { repeatingTimeIntervals, timeZone } = trigger.schedule;
  if (repeatingTimeIntervals.length === 0) invalid(`rule '${name}' has no repeating time interval`);
  if (repeatingTimeIntervals.length > MAX_INTERVALS) {
    invalid(`rule '${name}' has ${repeatingTimeIntervals.length} repeating time intervals, more than ${MAX_INTERVALS}`);
  }
  const intervals = repeatingTimeIntervals.map((interval) => readInterval(name, interval, timeZone));
  return { name, intervals, tagging: readTagging(name, trigger.taggingCriteria ?? [], retentionRules) };
}

/** `R/YYYY-MM-DDThh:mm[:ss[.fff]][Z|±hh:mm]/<period>` */
const INTERVAL =
  /^R\/(?<start>\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,7})?)?)(?<offset>Z|[+-]\d{2}:\d{2})?\/(?<period>P\w+)$/;
const INTERVAL_HINT = "such as R/2026-01-31T02:30:00+00:00/P1D, with a period of P1D, P1W, PT4H or PT15M upward";

function readInterval(rule: string, interval: string, timeZone: string | undefined): RepeatingInterval {
  const refuse = (why: string): never => invalid(`rule '${rule}' has the repeating time interval '${interval}'${why}`);
  const { start, offset, period } = INTERVAL.exec(interval)?.groups ?? {};
  const zone = readZone(rule, timeZone);
  const local = DateTime.fromISO(`${start}Z`, { zone: "UTC" });
  if (start === undefined || period === undefined || !local.isValid) {
    return invalid(`rule '${rule}' has the repeating time interval '${interval}'`, INTERVAL_HINT);
  }
  const every = readPeriod(period, refuse);
  const from = readStart(local, offset ?? zone.offset, zone.name);
  if (from === undefined) return refuse(`, whose start does not exist in local time of '${zone.name}'`);
  return { start: from, every, zone: zone.name };
}

/** Min period in minutes. */
const MIN_MINUTES = 15;

function readPeriod(period: string, refuse: (why: string) => never): RepeatingInterval["every"] {
  if (/^P\d+[YM]/.test(period)) return refuse(", whose period is of months or years");
  const [, days, dayUnit, time, timeUnit] = /^P(?:(\d{1,5})([DW])|T(\d{1,5})([HM]))$/.exec(period) ?? [];
  const count = Number(days ?? time);
  if (Number.isNaN(count)) return refuse(", whose period is not one number of days, weeks, hours or minutes");
  if (count === 0) return refuse(", whose period is zero");
  if (days !== undefined) return { unit: dayUnit === "W" ? "weeks" : "days", count };
  if (timeUnit === "M" && count < MIN_MINUTES) return refuse(`, whose period is shorter than PT${MIN_MINUTES}M`);
  return { unit: timeUnit === "H" ? "hours" : "minutes", count };
}

/** @returns ISO 8601 in the zone; undefined when the local time does not exist there */
function readStart(local: DateTime, offset: string | undefined, zone: string): string | undefined {
  if (offset !== undefined) {
    const from = DateTime.fromISO(`${local.toISO({ includeOffset: false })}${offset}`, { zone });
    return from.toISO() ?? undefined;
  }
  const { at, isShown } = momentOf(zone, local.toMillis());
  return isShown ? (DateTime.fromMillis(at, { zone }).toISO() ?? undefined) : undefined;
}

interface Zone {
  /** IANA name. */
  readonly name: string;
  /** Offset for start times without one, in a zone that is only an offset. */
  readonly offset?: string;
}

/** Parses a Windows zone id or name, an IANA name or an offset; without any, the offset of the start applies. */
function readZone(rule: string, timeZone: string | undefined): Zone {
  // Whole days from a fixed offset are whole days in UTC, so such a zone needs no name of its own.
  if (timeZone === undefined || timeZone === "" || timeZone === "Z") return { name: "UTC" };
  if (/^[+-]\d{2}:\d{2}$/.test(timeZone)) return { name: "UTC", offset: timeZone };
  const iana = ianaOf(timeZone);
  if (iana !== undefined) return { name: iana };
  if (IANAZone.isValidZone(timeZone)) return { name: timeZone };
  return invalid(
    `rule '${rule}' has the unknown time zone '${timeZone}'`,
    "the id or name of a Windows time zone, an IANA name, or an offset such as +01:00",
  );
}
