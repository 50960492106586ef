import { z } from "zod";

/** Slots of an instance for which no backup was started, as its schedule's row tells of them. */
export const PassedOver = z.object({
  /** Of all time. */
  count: z.int().nonnegative(),
  /** The newest {@link MAX_SKIPPED_SLOTS}, ascending. */
  newest: z.array(z.object({ slot: z.string(), because: z.string() })),
});
export type PassedOver = Readonly<z.infer<typeof PassedOver>>;

/** Keeps a schedule's row far below the 32,768 characters of a table's property. */
export const MAX_SKIPPED_SLOTS = 50;

/**
 * Names a backup instance to the timer, and keeps how far its slots have come. Only the timer changes it.
 * Partition: {@link ALL_SCHEDULES}; row: {@link scheduleRow}.
 */
export const Schedule = z.object({
  vault: z.string(),
  instanceName: z.string(),
  /** Every slot up to it was asked for or passed over; absent before the first. ISO 8601 UTC. */
  handledUpTo: z.string().optional(),
  /** The slot that was asked for last, until its job is seen to have taken the instance's lock. */
  asked: z.object({ slot: z.string(), attempt: z.int().positive() }).optional(),
  passedOver: PassedOver.optional(),
});
export type Schedule = Readonly<z.infer<typeof Schedule>>;

export const ALL_SCHEDULES = "all";

/** @param instanceName - in lower case */
export function scheduleRow(vault: string, instanceName: string): string {
  return `${vault}|${instanceName}`;
}
