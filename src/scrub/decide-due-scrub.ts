import { createHash } from "node:crypto";
import { DAY_MS } from "../foundation/durations.ts";
import type { ScrubSettings } from "./scrub-settings.ts";
import type { ScrubState } from "./scrub-state.ts";

export interface DueScrub {
  readonly isDue: boolean;
  /** Human-readable reason. */
  readonly because: string;
  /** When it is due without a request. */
  readonly dueAt: Date;
}

/**
 * Decides whether to start a scrub job for an instance: `everyDays` after the start of the last round, or at once on
 * request. An unfinished round is continued one day after it was last taken up, so that a failing one does not fail all
 * day.
 *
 * The first rounds of instances are spread over that time by their ids, so that instances that were protected together
 * are not scrubbed together.
 *
 * @param instance - without a running scrub job
 * @param state - of its last round; undefined: there was none
 */
export function decideDueScrub(
  instance: { readonly id: string; readonly createdAt: string },
  state: Pick<ScrubState, "startedAt" | "takenUpAt" | "endedAt"> | undefined,
  { everyDays }: Pick<ScrubSettings, "everyDays">,
  now: Date,
  isAsked = false,
): DueScrub {
  const { dueAt, because } = nextScrub(instance, state, everyDays * DAY_MS);
  if (isAsked) return { isDue: true, because: "it was requested", dueAt };
  return { isDue: dueAt <= now, because, dueAt };
}

function nextScrub(
  instance: { readonly id: string; readonly createdAt: string },
  state: Pick<ScrubState, "startedAt" | "takenUpAt" | "endedAt"> | undefined,
  everyMs: number,
): Pick<DueScrub, "dueAt" | "because"> {
  if (state === undefined) {
    const dueAt = new Date(Date.parse(instance.createdAt) + Math.floor(shareOf(instance.id) * everyMs));
    return { dueAt, because: "it was never scrubbed" };
  }
  if (state.endedAt === undefined) {
    return { dueAt: new Date(Date.parse(state.takenUpAt) + DAY_MS), because: "its round is not finished" };
  }
  return { dueAt: new Date(Date.parse(state.startedAt) + everyMs), because: "its last round started long enough ago" };
}

/** Maps a text to a number of at least 0, less than 1; deterministic. */
export function shareOf(text: string): number {
  return createHash("sha256").update(text).digest().readUInt32BE() / 2 ** 32;
}
