/**
 * @module
 * Decides which recovery points are kept, slowly and with another method than the code under test: each reason to keep
 * a point is checked separately, and time is counted by days and months.
 */
import type { RetainedPoint, RetentionTerms } from "../../src/retention/decide-retention.ts";

/** @param all - every point of the instance, this one too */
export function stays(
  point: RetainedPoint,
  all: readonly RetainedPoint[],
  { rules, protection, isImmutable }: RetentionTerms,
  now: Date,
): boolean {
  const isDeleted = point.softDeletedUntil !== undefined;
  const [rule, twin] = (rules ?? []).filter(({ name }) => name === point.tag);
  const isNewest = !all.some((other) => other.softDeletedUntil === undefined && other.sequence > point.sequence);
  const claims = {
    pin: point.isPinned === true,
    undelete: point.softDeletedUntil !== undefined && !isOver(point.softDeletedUntil, now),
    promise: isImmutable && (point.promisedUntil === undefined || !isOver(point.promisedUntil, now)),
    owner: !isDeleted && protection === "kept-forever",
    lastHope: !isDeleted && protection === "protected" && isNewest,
    doubt: !isDeleted && (rule === undefined || twin !== undefined || !/^P[1-9]\d*[DWMY]$/.test(rule.keep)),
    rule: !isDeleted && rule !== undefined && !isOver(countUp(point.time, rule.keep), now),
  };
  return Object.values(claims).some((claim) => claim);
}

function isOver(until: Date, now: Date): boolean {
  return now.getTime() >= until.getTime();
}

function countUp(time: Date, keep: string): Date {
  const count = Number.parseInt(keep.slice(1), 10);
  const end = new Date(time);
  if (keep.endsWith("D") || keep.endsWith("W")) {
    for (let day = 0; day < count * (keep.endsWith("W") ? 7 : 1); day++) end.setUTCDate(end.getUTCDate() + 1);
    return end;
  }
  end.setUTCDate(1);
  for (let month = 0; month < count * (keep.endsWith("Y") ? 12 : 1); month++) end.setUTCMonth(end.getUTCMonth() + 1);
  // From the first of the month on, as far as the month goes.
  const month = end.getUTCMonth();
  for (let day = 1; day < time.getUTCDate(); day++) {
    end.setUTCDate(end.getUTCDate() + 1);
    if (end.getUTCMonth() === month) continue;
    end.setUTCDate(end.getUTCDate() - 1);
    break;
  }
  return end;
}
