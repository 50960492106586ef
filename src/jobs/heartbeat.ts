/**
 * @module
 * Heartbeats of long-running workers, in a row that the watchdog creates for their job.
 */
import type { Clock } from "../foundation/clock.ts";
import type { RecordTable } from "../foundation/records.ts";
import { type WatchRecord, type WorkRecord, workRows } from "./work.ts";

export interface HeartbeatDeps {
  readonly work: RecordTable<WorkRecord>;
  readonly clock: Clock;
}

/**
 * Writes a heartbeat, or clears it when the worker is done. No retries: of many concurrent workers one write is enough,
 * and a job without this row has ended.
 *
 * @returns whether it was written
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
    // A failed heartbeat must not fail the work.
    return false;
  }
}
