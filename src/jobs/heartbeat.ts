/**
 * @module
 * Workers that take long say so, in a row that the watchdog has made for their job.
 */
import type { Clock } from "../foundation/clock.ts";
import type { RecordTable } from "../foundation/records.ts";
import { type WatchRecord, type WorkRecord, workRows } from "./work.ts";

export interface HeartbeatDeps {
  readonly work: RecordTable<WorkRecord>;
  readonly clock: Clock;
}

/**
 * Notes that a worker of a job is at work, or has ended its work. It is tried once: of many workers that write at the same
 * moment one is enough, and a job whose row is gone has ended.
 *
 * @returns whether it was noted
 */
export async function beat({ work, clock }: HeartbeatDeps, jobId: string, isAtWork: boolean): Promise<boolean> {
  try {
    const stored = await work.get(jobId, workRows.watch);
    if (stored?.value.kind !== "watch") return false;
    const { beatAt: _, ...watch } = stored.value;
    const now = clock().toISOString();
    const noted: WatchRecord = isAtWork ? { ...watch, beatAt: now } : { ...watch, seenAt: now };
    await work.replace(jobId, workRows.watch, noted, stored.etag);
    return true;
  } catch {
    // A heartbeat that cannot be written must never end the work that it tells of.
    return false;
  }
}
