import { z } from "zod";

/** Skipped slots of an instance: no backup was started for them. */
export const PassedOver = z.object({
  /** Since the instance was created. */
  count: z.int().nonnegative(),
  /** The newest {@link MAX_SKIPPED_SLOTS}, ascending. */
  newest: z.array(z.object({ slot: z.string(), because: z.string() })),
});
export type PassedOver = Readonly<z.infer<typeof PassedOver>>;

/** Keeps a schedule's row far below the 32,768 characters of a table's property. */
export const MAX_SKIPPED_SLOTS = 50;

/**
 * Lists a backup instance for the timer, with the progress of its slots. Only the timer changes it.
 * Partition: {@link ALL_SCHEDULES}; row: {@link scheduleRow}.
 */
export const Schedule = z.object({
  vault: z.string(),
  instanceName: z.string(),
  /** Every slot up to it was requested or skipped; absent before the first. ISO 8601 UTC. */
  handledUpTo: z.string().optional(),
  /** The slot that was requested last, until its job has taken the instance's lock. */
  asked: z.object({ slot: z.string(), attempt: z.int().positive() }).optional(),
  passedOver: PassedOver.optional(),
});
export type Schedule = Readonly<z.infer<typeof Schedule>>;

export const ALL_SCHEDULES = "all";

/** @param instanceName - in lower case */
export function scheduleRow(vault: string, instanceName: string): string {
  return `${vault}|${instanceName}`;
}
