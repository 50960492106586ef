/**
 * @module
 * Additional checks for a policy in a PUT, after `readPolicy`. They do not apply to existing policies, which a rebuild
 * reads again.
 */
import { DAY_MS } from "../foundation/durations.ts";
import { VaultError } from "../foundation/errors.ts";
import type { PolicyRecord } from "./policy-record.ts";
import type { PolicyProperties } from "./read-policy.ts";

/** Max length of names of rules and tags; the same as for the name of a policy in Azure. */
export const MAX_NAME_LENGTH = 150;

/** Max rules of a policy: one for backups and the retention rules; Azure's clients create up to five. */
export const MAX_RULES = 100;

/** Max period of a schedule, days. A point is kept for at most ten years, and tags go up to a year. */
export const MAX_PERIOD_DAYS = 366;

/** Max years in the future for the start of a schedule. */
export const MAX_START_YEARS = 10;

/** Min year for the start of a schedule. */
export const MIN_START_YEAR = 1970;

const PERIOD_MS = { minutes: 60_000, hours: 3_600_000, days: DAY_MS, weeks: 7 * DAY_MS } as const;

/** From UTC-12:00 to UTC+14:00. */
const OFFSET = /^(?:Z|-(?:0\d|1[01]):[0-5]\d|-12:00|\+(?:0\d|1[0-3]):[0-5]\d|\+14:00)$/;

/**
 * Checks names, limits and offsets of a policy in a PUT.
 *
 * @throws VaultError `policy/invalid` with the problem and the allowed values
 */
export function checkPolicy(
  { policyRules }: PolicyProperties,
  { backupRule }: Pick<PolicyRecord, "backupRule">,
  now: Date,
): void {
  if (policyRules.length > MAX_RULES) invalid(`it has ${policyRules.length} rules`, `at most ${MAX_RULES}`);
  for (const { name, trigger } of policyRules) {
    checkName("the name of a rule", name);
    for (const { tagInfo, taggingPriority } of trigger?.taggingCriteria ?? []) {
      checkName("the name of a tag", tagInfo.tagName);
      if (tagInfo.id !== undefined && tagInfo.id !== "") checkName("the id of a tag", tagInfo.id);
      if (!Number.isSafeInteger(taggingPriority) || taggingPriority < 0) {
        invalid(
          `the tag '${tagInfo.tagName}' has the priority ${taggingPriority}`,
          "0 or more; the smallest is tried first",
        );
      }
    }
    const { timeZone, repeatingTimeIntervals = [] } = trigger?.schedule ?? {};
    if (timeZone !== undefined && /^[+-]\d{2}:\d{2}$/.test(timeZone)) checkOffset(name, timeZone);
    for (const interval of repeatingTimeIntervals) {
      const [, offset] = /T[\d:.]+([+-]\d{2}:\d{2})\//.exec(interval) ?? [];
      if (offset !== undefined) checkOffset(name, offset);
    }
  }
  for (const interval of backupRule?.intervals ?? []) checkInterval(interval, now);
}

function checkName(what: string, name: string): void {
  if (name.length > MAX_NAME_LENGTH) {
    invalid(`${what} has ${name.length} characters: '${name.slice(0, 40)}...'`, `at most ${MAX_NAME_LENGTH}`);
  }
  // Lone surrogates cannot be encoded as UTF-8, and invisible characters make names hard to tell apart.
  if (/[\p{Cc}\p{Cs}\u2028\u2029]/u.test(name)) invalid(`${what} has a control character`, "letters, digits and signs");
  if (name.trim() !== name) invalid(`${what} begins or ends with a space: '${name}'`, "without it");
}

function checkOffset(rule: string, offset: string): void {
  if (OFFSET.test(offset)) return;
  invalid(`rule '${rule}' has the offset '${offset}' from UTC`, "-12:00 to +14:00, or the name of a time zone");
}

function checkInterval(
  { start, every }: NonNullable<PolicyRecord["backupRule"]>["intervals"][number],
  now: Date,
): void {
  const [at, day] = [Date.parse(start), start.slice(0, 10)];
  const latest = now.getTime() + MAX_START_YEARS * 365.25 * DAY_MS;
  if (at < Date.UTC(MIN_START_YEAR, 0, 1) || at > latest) {
    invalid(`a schedule starts on ${day}`, `from ${MIN_START_YEAR} to ${MAX_START_YEARS} years from now`);
  }
  if (every.count * PERIOD_MS[every.unit] > MAX_PERIOD_DAYS * DAY_MS) {
    invalid(`a schedule repeats every ${every.count} ${every.unit}`, `at most every ${MAX_PERIOD_DAYS} days`);
  }
}

function invalid(problem: string, hint: string): never {
  throw new VaultError("policy/invalid", `the policy is not valid: ${problem}`, { hint });
}
