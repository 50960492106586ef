import { present } from "../foundation/present.ts";
import { expiryOf, type RetentionRule } from "../policies/retention-rules.ts";

/** The facts of a sealed recovery point that retention needs. */
export interface RetainedPoint {
  readonly id: string;
  readonly sequence: number;
  /** The point is complete up to this time; retention counts from it. */
  readonly time: Date;
  /** Name of the retention rule. */
  readonly tag: string;
  /** How long its policy promised to keep it when it was made; counts in an immutable vault. */
  readonly promisedUntil?: Date | undefined;
  /** A restore is reading it. */
  readonly isPinned?: boolean | undefined;
  /** It, or its whole instance, was deleted; until then it can be undeleted. */
  readonly softDeletedUntil?: Date | undefined;
}

/** What decides about an instance's points, besides their tags. */
export interface RetentionTerms {
  /** Of the current policy; undefined: it cannot be read. */
  readonly rules: readonly RetentionRule[] | undefined;
  /**
   * `protected`: the newest point is kept whatever its age, also while backups are suspended. `kept-forever`:
   * protection was stopped, and all points are kept until that changes. `stopped`: only rules and promises count, to
   * find out how long they keep a point.
   */
  readonly protection: "protected" | "stopped" | "kept-forever";
  /** In an immutable vault no point may expire earlier than promised. */
  readonly isImmutable: boolean;
}

export type RetentionDecision =
  | {
      readonly id: string;
      readonly keep: true;
      /** For people. */
      readonly because: string;
      /** When the reason ends, if known. */
      readonly until?: Date;
    }
  | { readonly id: string; readonly keep: false; readonly because: string; readonly expiredAt: Date };

/**
 * Decides, for every recovery point of one backup instance, whether it is kept.
 *
 * The current policy decides how long a point is kept, so a changed rule counts for existing points too; in an
 * immutable vault the later of that and of the promised time counts. What is uncertain is kept: the newest point of a
 * protected instance, a point whose tag has no rule, everything when the policy cannot be read. Deletion is another
 * step, so a decision can be shown before it is carried out.
 *
 * @param points - all sealed ones, in any order
 * @returns one decision a point, in the order given
 */
export function decideRetention(
  points: readonly RetainedPoint[],
  terms: RetentionTerms,
  now: Date,
): RetentionDecision[] {
  const alive = points.filter(({ softDeletedUntil }) => softDeletedUntil === undefined);
  const newest = alive.reduce((max, { sequence }) => Math.max(max, sequence), 0);
  return points.map((point) => {
    const { id } = point;
    if (point.isPinned === true) return { id, keep: true, because: "a restore is reading it" };
    if (point.softDeletedUntil === undefined) {
      if (terms.protection === "kept-forever") {
        return { id, keep: true, because: "protection is stopped and the data is kept forever" };
      }
      if (terms.protection === "protected" && point.sequence === newest) {
        return { id, keep: true, because: "newest recovery point of a protected instance" };
      }
    }
    const end = endOf(point, terms);
    if (end.until === undefined) return { id, keep: true, because: end.because };
    return end.until > now
      ? { id, keep: true, because: end.because, until: end.until }
      : { id, keep: false, because: end.because, expiredAt: end.until };
  });
}

interface End {
  readonly because: string;
  /** Absent: unknown. */
  readonly until?: Date;
}

function endOf(point: RetainedPoint, terms: RetentionTerms): End {
  const present = point.softDeletedUntil === undefined ? endByRule(point, terms.rules) : endOfSoftDelete(point);
  if (!terms.isImmutable || present.until === undefined) return present;
  if (point.promisedUntil === undefined) {
    return { because: "the vault is immutable, and the time promised for the point is not recorded" };
  }
  return point.promisedUntil > present.until
    ? {
        because: "the vault is immutable, and this time was promised when the point was made",
        until: point.promisedUntil,
      }
    : present;
}

function endOfSoftDelete({ softDeletedUntil }: RetainedPoint): End {
  return { because: "deleted", ...present({ until: softDeletedUntil }) };
}

function endByRule({ time, tag }: RetainedPoint, rules: readonly RetentionRule[] | undefined): End {
  if (rules === undefined) return { because: "the policy cannot be read" };
  const [rule, ...others] = rules.filter(({ name }) => name === tag);
  if (rule === undefined) return { because: `its tag '${tag}' has no retention rule` };
  const until = expiryOf(time, rule.keep);
  if (until === undefined || others.length > 0) return { because: `the retention rule '${tag}' cannot be read` };
  return { because: `kept ${inWords(rule.keep)} by rule '${tag}'`, until };
}

const UNITS: Readonly<Record<string, string>> = { D: "day", W: "week", M: "month", Y: "year" };

function inWords(keep: string): string {
  const count = Number.parseInt(keep.slice(1), 10);
  return `${count} ${UNITS[keep.at(-1) ?? ""]}${count === 1 ? "" : "s"}`;
}
