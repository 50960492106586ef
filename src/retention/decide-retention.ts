import { present } from "../foundation/present.ts";
import { expiryOf, type RetentionRule } from "../policies/retention-rules.ts";

/** A sealed recovery point as retention sees it. */
export interface RetainedPoint {
  readonly id: string;
  readonly sequence: number;
  /** The moment up to which it is complete; from it on it is kept. */
  readonly time: Date;
  /** Name of the retention rule. */
  readonly tag: string;
  /** How long its policy said that it would be kept when it was made; counts in an immutable vault. */
  readonly promisedUntil?: Date | undefined;
  /** A restore is reading it. */
  readonly isPinned?: boolean | undefined;
  /** It, or its whole instance, was deleted; until then it can be undeleted. */
  readonly softDeletedUntil?: Date | undefined;
}

/** What decides about an instance's points besides their tags. */
export interface RetentionTerms {
  /** Of the policy in force; undefined: it cannot be read. */
  readonly rules: readonly RetentionRule[] | undefined;
  /**
   * `protected`: the newest point is kept whatever its age, also while backups are suspended. `kept-forever`: protection
   * was stopped, and all points are kept until someone says otherwise. `stopped`: nothing but rules and promises counts, as
   * for the question how long they keep a point.
   */
  readonly protection: "protected" | "stopped" | "kept-forever";
  /** The vault lets no life be shortened. */
  readonly isImmutable: boolean;
}

export type RetentionDecision =
  | {
      readonly id: string;
      readonly keep: true;
      /** For people. */
      readonly because: string;
      /** When the reason ends, where that is known. */
      readonly until?: Date;
    }
  | { readonly id: string; readonly keep: false; readonly because: string; readonly expiredAt: Date };

/**
 * Decides, for every recovery point of one backup instance, whether it stays.
 *
 * Points live as long as the policy in force says, so a longer rule lengthens the lives of those that are there, and a
 * shorter one shortens them; in an immutable vault the longer of that and of what was promised counts. Whatever is
 * uncertain stays: the newest point of a protected instance, a point whose tag no rule names, everything when the policy
 * cannot be read. Deleting is another step, so that a decision can be shown before it is carried out.
 *
 * @param points - all sealed ones, in any order
 * @param now - the moment to judge by
 * @returns one decision a point, in the order given
 */
export function decideRetention(
  points: readonly RetainedPoint[],
  terms: RetentionTerms,
  now: Date,
): RetentionDecision[] {
  const alive = points.filter(({ softDeletedUntil }) => softDeletedUntil === undefined);
  const newest = alive.reduce((most, { sequence }) => Math.max(most, sequence), 0);
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
  /** Absent: nobody knows. */
  readonly until?: Date;
}

function endOf(point: RetainedPoint, terms: RetentionTerms): End {
  const present = point.softDeletedUntil === undefined ? endByRule(point, terms.rules) : endOfSoftDelete(point);
  if (!terms.isImmutable || present.until === undefined) return present;
  if (point.promisedUntil === undefined) {
    return { because: "the vault is immutable, and how long the point was to be kept is not recorded" };
  }
  return point.promisedUntil > present.until
    ? {
        because: "the vault is immutable, and the point was to be kept so long when it was made",
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
  if (rule === undefined) return { because: `no retention rule has the name of its tag '${tag}'` };
  const until = expiryOf(time, rule.keep);
  if (until === undefined || others.length > 0) return { because: `the retention rule '${tag}' cannot be read` };
  return { because: `kept ${inWords(rule.keep)} by rule '${tag}'`, until };
}

const UNITS: Readonly<Record<string, string>> = { D: "day", W: "week", M: "month", Y: "year" };

function inWords(keep: string): string {
  const count = Number.parseInt(keep.slice(1), 10);
  return `${count} ${UNITS[keep.at(-1) ?? ""]}${count === 1 ? "" : "s"}`;
}
