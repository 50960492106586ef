import { DateTime } from "luxon";
import { type AbsoluteMarker, byTurn, type ScheduleCriterion, type TaggingCriterion } from "./retention-rules.ts";

/** The backup that a tag is wanted for. */
export interface TaggedBackup {
  /** The moment that it is for. */
  readonly slot: Date;
  /** IANA name of the policy's zone, in which days, weeks, months and years begin. */
  readonly zone: string;
  /**
   * The newest slot before it whose scheduled backup made a recovery point. Those that failed do not count, so the next
   * one that succeeds is the first of its month; nor do those on demand, so that none takes the yearly tag from the
   * schedule. Undefined: there was none.
   */
  readonly earlierSlot: Date | undefined;
  /** Present: it was started on demand, with the tag that was asked for, if one was. */
  readonly onDemand?: { readonly tag?: string | undefined } | undefined;
}

export interface TagDecision {
  readonly tag: string;
  /** For people, such as `FirstOfMonth in Europe/Berlin`. */
  readonly because: string;
}

/** The tag of Azure's default tagging criterion. */
export const DEFAULT_TAG = "Default";

/**
 * Decides under which retention rule a recovery point comes: the first criterion that matches, by ascending priority,
 * else the default. What is made on demand gets the tag that was asked for, else the default.
 *
 * @param tagging - of the policy in force, in any order; empty: it has no schedule
 */
export function decideTag(tagging: readonly TaggingCriterion[], backup: TaggedBackup): TagDecision {
  const byDefault = tagging.find(({ isDefault }) => isDefault)?.tag ?? DEFAULT_TAG;
  if (backup.onDemand !== undefined) {
    const { tag } = backup.onDemand;
    return tag === undefined
      ? { tag: byDefault, because: "started on demand, and no tag was asked for" }
      : { tag, because: "started on demand, and this tag was asked for" };
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

interface Moment {
  readonly slot: DateTime<true>;
  readonly before: DateTime<true> | undefined;
}

function momentOf({ slot, zone, earlierSlot }: TaggedBackup): Moment {
  const isEarlier = earlierSlot !== undefined && earlierSlot < slot;
  return {
    slot: localTime(slot.getTime(), zone),
    before: isEarlier ? localTime(earlierSlot.getTime(), zone) : undefined,
  };
}

function localTime(at: number, zone: string): DateTime<true> {
  const local = DateTime.fromMillis(at, { zone });
  if (!local.isValid) throw new RangeError(`'${zone}' is not a time zone`);
  return local;
}

/** @returns why the criterion matches, one a member; undefined when it does not */
function reasonsOf(criterion: ScheduleCriterion, moment: Moment): string[] | undefined {
  const { slot } = moment;
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
      (week) => isInWeek(slot, week),
      (week) => (week === "last" ? "last week" : `week ${week}`),
    ) &&
    matches(
      criterion.daysOfTheWeek,
      (day) => day === slot.weekday,
      () => slot.setLocale("en").weekdayLong,
    ) &&
    matches(
      criterion.daysOfMonth,
      (day) => slot.day === (day === "last" ? slot.daysInMonth : day),
      (day) => `${day === "last" ? "last day" : `day ${day}`} of the month`,
    ) &&
    matches(
      criterion.monthsOfYear,
      (month) => month === slot.month,
      () => slot.setLocale("en").monthLong,
    ) &&
    matches(
      criterion.scheduleTimes,
      (time) => isAtTime(slot, time),
      () => slot.toFormat("HH:mm"),
    );
  return isMatch ? reasons : undefined;
}

/** Weeks are counted by weekday, as in "the second Tuesday"; the fourth is the last where the month has no fifth. */
function isInWeek({ day, daysInMonth }: DateTime<true>, week: number | "last"): boolean {
  return week === "last" ? day > daysInMonth - 7 : week === Math.ceil(day / 7);
}

/** Weeks begin on Sunday, as in Azure's list of days. */
function isFirst(marker: AbsoluteMarker, { slot, before }: Moment): boolean {
  if (before === undefined) return true;
  switch (marker) {
    case "AllBackup":
      return true;
    case "FirstOfDay":
      return before < slot.startOf("day");
    case "FirstOfWeek":
      return (
        before <
        slot
          .startOf("day")
          .minus({ days: slot.weekday % 7 })
          .startOf("day")
      );
    case "FirstOfMonth":
      return before < slot.startOf("month");
    case "FirstOfYear":
      return before < slot.startOf("year");
  }
}

/** A time of day that the clocks leave out that day counts where the schedule then runs. */
function isAtTime(slot: DateTime<true>, time: string): boolean {
  const { hour, minute } = DateTime.fromISO(time, { zone: slot.zone });
  if (slot.hour === hour && slot.minute === minute) return true;
  const meant = slot.set({ hour, minute, second: 0, millisecond: 0 });
  return (meant.hour !== hour || meant.minute !== minute) && meant.startOf("minute").equals(slot.startOf("minute"));
}
