import { createHash } from "node:crypto";
import { DAY_MS } from "../foundation/durations.ts";
import type { ScrubSettings } from "./scrub-settings.ts";
import type { ScrubState } from "./scrub-state.ts";

export interface DueScrub {
  readonly isDue: boolean;
  /** For people. */
  readonly because: string;
  /** When it is due if nobody asks for it before. */
  readonly dueAt: Date;
}

/**
 * Decides whether a job is to work on the scrub of an instance: once in `everyDays` from the start of a round to that of
 * the next, or at once when it is asked for. A round that was begun and not done is gone on with a day after it was last
 * taken up, so that one that fails each time does not fail all day.
 *
 * The first rounds of instances are spread over that time by their ids, so that those that were protected together are not
 * scrubbed together forever.
 *
 * @param instance - that has no scrub job under way
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
  if (isAsked) return { isDue: true, because: "it was asked for", dueAt };
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
    return { dueAt: new Date(Date.parse(state.takenUpAt) + DAY_MS), because: "its round is not done" };
  }
  return { dueAt: new Date(Date.parse(state.startedAt) + everyMs), because: "its last round began so long ago" };
}

/** A text's place among all: at least 0, less than 1, and always the same. */
export function shareOf(text: string): number {
  return createHash("sha256").update(text).digest().readUInt32BE() / 2 ** 32;
}
