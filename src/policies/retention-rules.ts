/**
 * @module
 * Retention of a policy: retention rules, which have a duration, and tagging criteria, which decide which rule applies
 * to a point. Parsed from the wire to plain values for rows.
 */

import { DateTime } from "luxon";
import { z } from "zod";
import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import { readScheduleTime } from "./schedule-times.ts";

export const ABSOLUTE_MARKERS = ["AllBackup", "FirstOfDay", "FirstOfWeek", "FirstOfMonth", "FirstOfYear"] as const;
export type AbsoluteMarker = (typeof ABSOLUTE_MARKERS)[number];

/**
 * `ScheduleBasedBackupCriteria`: matches when every present member matches; a member matches when one of its values
 * does. At least one member is present.
 */
export const ScheduleCriterion = z.object({
  absolute: z.array(z.enum(ABSOLUTE_MARKERS)).optional(),
  /** 1 is Monday, 7 Sunday. */
  daysOfTheWeek: z.array(z.int().min(1).max(7)).optional(),
  /** Week of the weekday in its month, such as the second Tuesday. */
  weeksOfTheMonth: z.array(z.union([z.int().min(1).max(4), z.literal("last")])).optional(),
  daysOfMonth: z.array(z.union([z.int().min(1).max(28), z.literal("last")])).optional(),
  /** 1 is January. */
  monthsOfYear: z.array(z.int().min(1).max(12)).optional(),
  /** ISO 8601; only the time of day counts, see `schedule-times.ts`. */
  scheduleTimes: z.array(z.string()).optional(),
});
export type ScheduleCriterion = Readonly<z.infer<typeof ScheduleCriterion>>;

/** When a recovery point gets a tag. */
export const TaggingCriterion = z.object({
  /** Name of the retention rule. */
  tag: z.string(),
  /** Lower values are evaluated first; the default is always last. */
  priority: z.int(),
  isDefault: z.boolean(),
  /** One match is enough; the default has none. */
  criteria: z.array(ScheduleCriterion),
});
export type TaggingCriterion = Readonly<z.infer<typeof TaggingCriterion>>;

/** Duration for points with the tag of the same name. */
export interface RetentionRule {
  readonly name: string;
  /** ISO 8601 duration of days, weeks, months or years. */
  readonly keep: string;
}

/** An `AzureRetentionRule` on the wire. */
export interface WireRetentionRule {
  readonly name: string;
  readonly isDefault?: boolean | undefined;
  readonly lifecycles?:
    | readonly {
        readonly deleteAfter: { readonly objectType: string; readonly duration: string };
        readonly sourceDataStore: { readonly dataStoreType: string };
        readonly targetDataStoreCopySettings?: readonly unknown[] | null | undefined;
      }[]
    | undefined;
}

/** A `TaggingCriteria` on the wire. */
export interface WireTaggingCriterion {
  readonly tagInfo: { readonly tagName: string };
  readonly taggingPriority: number;
  readonly isDefault: boolean;
  readonly criteria?: readonly unknown[] | null | undefined;
}

/** Max retention by unit: ten years in each. */
const MAX_RETENTION = { D: 3650, W: 521, M: 120, Y: 10 } as const;
type Unit = keyof typeof MAX_RETENTION;
const UNITS = { D: "days", W: "weeks", M: "months", Y: "years" } as const satisfies Record<Unit, string>;

const DURATION = /^P(\d{1,5})([DWMY])$/;

/**
 * Parses the retention rules of a policy.
 *
 * @throws VaultError `policy/invalid` when a duration is zero or more than ten years, when a rule is not for the vault,
 *   or when not exactly one rule is the default
 */
export function readRetentionRules(rules: readonly WireRetentionRule[]): RetentionRule[] {
  if (rules.filter(({ isDefault }) => isDefault === true).length !== 1) {
    invalid("exactly one AzureRetentionRule must be the default");
  }
  return rules.map((rule) => ({ name: rule.name, keep: readKeep(rule) }));
}

function readKeep(rule: WireRetentionRule): string {
  const [lifecycle, ...others] = rule.lifecycles ?? [];
  if (lifecycle === undefined || others.length > 0) return invalid(`rule '${rule.name}' needs exactly one lifecycle`);
  const { deleteAfter, sourceDataStore, targetDataStoreCopySettings } = lifecycle;
  if (sourceDataStore.dataStoreType !== "VaultStore") {
    invalid(`rule '${rule.name}' is for '${sourceDataStore.dataStoreType}', not for 'VaultStore'`);
  }
  if ((targetDataStoreCopySettings ?? []).length > 0) invalid(`rule '${rule.name}' copies to another data store`);
  if (deleteAfter.objectType !== "AbsoluteDeleteOption") {
    invalid(`rule '${rule.name}' has the unknown delete option '${deleteAfter.objectType}'`);
  }
  const [, digits, unit] = DURATION.exec(deleteAfter.duration) ?? [];
  const count = Number(digits);
  if (unit === undefined || count < 1 || count > MAX_RETENTION[unit as Unit]) {
    invalid(
      `rule '${rule.name}' keeps for '${deleteAfter.duration}'`,
      "P1D to P3650D, P1W to P521W, P1M to P120M or P1Y to P10Y",
    );
  }
  return deleteAfter.duration;
}

/**
 * Returns when the retention of a recovery point ends. Months and years are calendar months in UTC; where a month lacks
 * the day, its last day counts.
 *
 * @param time - of the recovery point
 * @returns undefined when the duration is invalid or its end is out of range
 */
export function expiryOf(time: Date, keep: string): Date | undefined {
  const [, digits, unit] = DURATION.exec(keep) ?? [];
  if (unit === undefined) return undefined;
  const until = DateTime.fromJSDate(time, { zone: "utc" }).plus({ [UNITS[unit as Unit]]: Number(digits) });
  return until.isValid ? until.toJSDate() : undefined;
}

/**
 * Parses the tagging criteria of a backup rule.
 *
 * @param rule - name of the backup rule, for messages
 * @param retentionRules - of the same policy: each tag is the name of one
 * @returns in the order in which they are evaluated, the default last
 * @throws VaultError `policy/invalid`
 */
export function readTagging(
  rule: string,
  criteria: readonly WireTaggingCriterion[],
  retentionRules: readonly Pick<RetentionRule, "name">[],
): TaggingCriterion[] {
  const unknown = criteria.find(({ tagInfo }) => !retentionRules.some(({ name }) => name === tagInfo.tagName));
  if (unknown !== undefined) {
    invalid(`rule '${rule}' has the tag '${unknown.tagInfo.tagName}', but no AzureRetentionRule has this name`);
  }
  if (criteria.filter(({ isDefault }) => isDefault).length !== 1) {
    invalid(`rule '${rule}' needs exactly one default tagging criterion`);
  }
  return criteria.map((criterion) => readTaggingCriterion(rule, criterion)).sort(byTurn);
}

function readTaggingCriterion(rule: string, criterion: WireTaggingCriterion): TaggingCriterion {
  const { tagInfo, taggingPriority: priority, isDefault } = criterion;
  const tag = tagInfo.tagName;
  const criteria = (criterion.criteria ?? []).map((wire) => readCriterion(`rule '${rule}', tag '${tag}'`, wire));
  if (isDefault && criteria.length > 0) invalid(`rule '${rule}' has criteria for the default tag '${tag}'`);
  if (!isDefault && criteria.length === 0) invalid(`rule '${rule}' has no criteria for the tag '${tag}'`);
  return { tag, priority, isDefault, criteria };
}

/** Sorts tagging criteria in the order of evaluation. */
export function byTurn(a: TaggingCriterion, b: TaggingCriterion): number {
  return Number(a.isDefault) - Number(b.isDefault) || a.priority - b.priority;
}

const WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const MONTHS = [
  "january",
  "february",
  "march",
  "april",
  "may",
  "june",
  "july",
  "august",
  "september",
  "october",
  "november",
  "december",
];
const WEEKS = ["first", "second", "third", "fourth", "last"];

const Words = z.array(z.string()).nullish();

const WireCriterion = z.looseObject({
  objectType: z.literal("ScheduleBasedBackupCriteria"),
  absoluteCriteria: Words,
  daysOfTheWeek: Words,
  weeksOfTheMonth: Words,
  daysOfMonth: z.array(z.looseObject({ date: z.int().nullish(), isLast: z.boolean().nullish() })).nullish(),
  monthsOfYear: Words,
  scheduleTimes: Words,
});

function readCriterion(where: string, wire: unknown): ScheduleCriterion {
  const parsed = WireCriterion.safeParse(wire);
  if (!parsed.success) return invalid(`${where}: a criterion is not a ScheduleBasedBackupCriteria`);
  const { absoluteCriteria, daysOfTheWeek, weeksOfTheMonth, daysOfMonth, monthsOfYear, scheduleTimes } = parsed.data;
  const ordinals = (words: string[], of: readonly string[], what: string): number[] =>
    words.map((word) => {
      const index = of.indexOf(word.toLowerCase());
      return index < 0 ? invalid(`${where}: '${word}' is not one of ${what}`) : index + 1;
    });
  const markers = ABSOLUTE_MARKERS.map((marker) => marker.toLowerCase());
  const criterion = {
    ...member(absoluteCriteria, (words) => ({
      absolute: ordinals(words, markers, "absoluteCriteria").flatMap((n) => ABSOLUTE_MARKERS[n - 1] ?? []),
    })),
    ...member(daysOfTheWeek, (words) => ({ daysOfTheWeek: ordinals(words, WEEKDAYS, "daysOfTheWeek") })),
    ...member(weeksOfTheMonth, (words) => ({
      weeksOfTheMonth: ordinals(words, WEEKS, "weeksOfTheMonth").map((n) => (n === WEEKS.length ? "last" : n)),
    })),
    ...member(daysOfMonth, (days) => ({ daysOfMonth: days.map((day) => readDayOfMonth(where, day)) })),
    ...member(monthsOfYear, (words) => ({ monthsOfYear: ordinals(words, MONTHS, "monthsOfYear") })),
    ...member(scheduleTimes, (times) => ({ scheduleTimes: times.map((time) => readTime(where, time)) })),
  };
  // Without a member it would match every backup; AllBackup says so explicitly.
  if (Object.keys(criterion).length === 0) return invalid(`${where}: a criterion has no member`);
  return ScheduleCriterion.parse(criterion);
}

/** Clients send members without a value as null or as an empty list. */
function member<T, Out extends object>(values: T[] | null | undefined, read: (values: T[]) => Out): Out | object {
  return values === undefined || values === null || values.length === 0 ? {} : read(values);
}

/** Not every month has the days after this one. */
const LAST_COMMON_DAY = 28;

function readDayOfMonth(
  where: string,
  { date, isLast }: { readonly date?: number | null | undefined; readonly isLast?: boolean | null | undefined },
): number | "last" {
  if (isLast === true) return "last";
  if (typeof date === "number" && date >= 1 && date <= LAST_COMMON_DAY) return date;
  return invalid(`${where}: '${date}' does not exist in every month`, `1 to ${LAST_COMMON_DAY}, or isLast`);
}

function readTime(where: string, time: string): string {
  if (readScheduleTime(time) !== undefined) return time;
  return invalid(`${where}: '${time}' is not a time`, "such as 02:30, or 2026-01-31T02:30:00+00:00");
}

function invalid(problem: string, hint?: string): never {
  throw new VaultError("policy/invalid", `the policy is not valid: ${problem}`, present({ hint }));
}
