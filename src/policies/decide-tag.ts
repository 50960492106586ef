import { DAY_MS } from "../foundation/durations.ts";
import { localTimeAt } from "./local-time.ts";
import { type AbsoluteMarker, byTurn, type ScheduleCriterion, type TaggingCriterion } from "./retention-rules.ts";
import { isAtTime, readScheduleTime } from "./schedule-times.ts";

/** The backup to tag. */
export interface TaggedBackup {
  /** Its slot. */
  readonly slot: Date;
  /** IANA name of the policy's zone, in which days, weeks, months and years start. */
  readonly zone: string;
  /**
   * The latest earlier slot with a successful scheduled backup. Failed ones do not count, so the next success is the
   * first of its month; backups on demand do not count either, so they cannot take the yearly tag from the schedule.
   * Undefined: there was none.
   */
  readonly earlierSlot: Date | undefined;
  /** Present: started on demand, with the requested tag, if any. */
  readonly onDemand?: { readonly tag?: string | undefined } | undefined;
}

export interface TagDecision {
  readonly tag: string;
  /** Human-readable reason, such as `FirstOfMonth in Europe/Berlin`. */
  readonly because: string;
}

/** Tag of Azure's default tagging criterion. */
export const DEFAULT_TAG = "Default";

/**
 * Decides which retention rule applies to a recovery point: the first criterion that matches, by ascending priority,
 * else the default. A backup on demand gets the requested tag, else the default.
 *
 * @param tagging - of the policy in force, in any order; empty: it has no schedule
 */
export function decideTag(tagging: readonly TaggingCriterion[], backup: TaggedBackup): TagDecision {
  const byDefault = tagging.find(({ isDefault }) => isDefault)?.tag ?? DEFAULT_TAG;
  if (backup.onDemand !== undefined) {
    const { tag } = backup.onDemand;
    return tag === undefined
      ? { tag: byDefault, because: "started on demand without a tag" }
      : { tag, because: "started on demand with this tag" };
  }
  const moment = momentOf(backup);
  for (const { tag, criteria, isDefault } of tagging.toSorted(byTurn)) {
    if (isDefault) continue;
    for (const criterion of criteria) {
      const reasons = reasonsOf(criterion, moment);
      if (reasons !== undefined) return { tag, because: `${reasons.join(", ")} in ${backup.zone}` };
    }
  }
  return { tag: byDefault, because: "no criterion matches" };
}

/** A calendar day in the policy's zone. */
interface LocalDay {
  /** Days since 1970-01-01. */
  readonly number: number;
  readonly year: number;
  /** 1 is January. */
  readonly month: number;
  readonly day: number;
  readonly daysInMonth: number;
  /** 1 is Monday, 7 Sunday. */
  readonly weekday: number;
}

interface Moment {
  /** Unix milliseconds. */
  readonly at: number;
  readonly zone: string;
  readonly today: LocalDay;
  readonly dayBefore: LocalDay | undefined;
}

function momentOf({ slot, zone, earlierSlot }: TaggedBackup): Moment {
  const isEarlier = earlierSlot !== undefined && earlierSlot < slot;
  return {
    at: slot.getTime(),
    zone,
    today: localDay(slot, zone),
    dayBefore: isEarlier ? localDay(earlierSlot, zone) : undefined,
  };
}

/** The date comes from local time, not from when the day started: midnight may be skipped or occur twice. */
function localDay(at: Date, zone: string): LocalDay {
  const local = localTimeAt(zone, at.getTime());
  if (!Number.isFinite(local)) throw new RangeError(`'${zone}' is not a time zone`);
  const calendar = new Date(local);
  const [year, month] = [calendar.getUTCFullYear(), calendar.getUTCMonth() + 1];
  return {
    number: Math.floor(local / DAY_MS),
    year,
    month,
    day: calendar.getUTCDate(),
    daysInMonth: new Date(Date.UTC(year, month, 0)).getUTCDate(),
    weekday: calendar.getUTCDay() || 7,
  };
}

/** @returns why the criterion matches, one reason per member; undefined when it does not */
function reasonsOf(criterion: ScheduleCriterion, moment: Moment): string[] | undefined {
  const { at, zone, today } = moment;
  const reasons: string[] = [];
  const matches = <T>(values: readonly T[] | undefined, test: (value: T) => boolean, why: (value: T) => string) => {
    const found = values?.find(test);
    if (found !== undefined) reasons.push(why(found));
    return values === undefined || found !== undefined;
  };
  const isMatch =
    matches(criterion.absolute, (marker) => isFirst(marker, moment), String) &&
    matches(
      criterion.weeksOfTheMonth,
      (week) => isInWeek(today, week),
      (week) => (week === "last" ? "last week" : `week ${week}`),
    ) &&
    matches(
      criterion.daysOfTheWeek,
      (day) => day === today.weekday,
      (day) => WEEKDAYS[day - 1] ?? "",
    ) &&
    matches(
      criterion.daysOfMonth,
      (day) => today.day === (day === "last" ? today.daysInMonth : day),
      (day) => `${day === "last" ? "last day" : `day ${day}`} of the month`,
    ) &&
    matches(
      criterion.monthsOfYear,
      (month) => month === today.month,
      (month) => MONTHS[month - 1] ?? "",
    ) &&
    matches(
      criterion.scheduleTimes,
      (time) => isForTime(at, zone, time),
      () => new Date(localTimeAt(zone, at)).toISOString().slice(11, 16),
    );
  return isMatch ? reasons : undefined;
}

/** An unreadable time never matches, so the point gets another tag or the default. */
function isForTime(slot: number, zone: string, text: string): boolean {
  const time = readScheduleTime(text);
  return time !== undefined && isAtTime(slot, zone, time);
}

const WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];

/** Weeks count by weekday, as in "the second Tuesday"; the fourth is also the last in months without a fifth. */
function isInWeek({ day, daysInMonth }: LocalDay, week: number | "last"): boolean {
  return week === "last" ? day > daysInMonth - 7 : week === Math.ceil(day / 7);
}

/** 1970-01-04 was a Sunday, the first day of the week, as in Azure's list of days. */
function weekOf({ number }: LocalDay): number {
  return Math.floor((number - 3) / 7);
}

function isFirst(marker: AbsoluteMarker, { today, dayBefore }: Moment): boolean {
  if (dayBefore === undefined) return true;
  switch (marker) {
    case "AllBackup":
      return true;
    case "FirstOfDay":
      return dayBefore.number < today.number;
    case "FirstOfWeek":
      return weekOf(dayBefore) < weekOf(today);
    case "FirstOfMonth":
      return dayBefore.year < today.year || (dayBefore.year === today.year && dayBefore.month < today.month);
    case "FirstOfYear":
      return dayBefore.year < today.year;
  }
}
