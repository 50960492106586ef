/**
 * @module
 * Some kinds of jobs, such as a scrub, run at most once at a time per instance. A second request joins the running job:
 * it gets the same job.
 */

import { VaultError } from "../foundation/errors.ts";
import type { RecordTable } from "../foundation/records.ts";
import { FULL_SAFETY } from "../foundation/safety.ts";
import { isOpen, type Job } from "./job.ts";
import type { InstanceLock } from "./job-lock.ts";

/** Kinds of jobs that can be joined. Row of the turn beside the instance's lock: the kind. */
export type JoinedKind = "scrub" | "retention";

export interface JoinJobDeps {
  readonly jobs: RecordTable<Job>;
  readonly locks: RecordTable<InstanceLock>;
}

/**
 * Takes the turn of an instance for a job of a kind, or returns the job that has it. Call it before you request the
 * job, then request the returned job: its row may not exist yet, and is created only once.
 *
 * Safe to run twice: a job that has the turn keeps it. The turn of an ended job is free.
 *
 * @returns id of the job that has the turn now
 */
export async function joinJob(
  { jobs, locks }: JoinJobDeps,
  kind: JoinedKind,
  wanted: Pick<Job, "id" | "vault" | "instance">,
  now: Date,
): Promise<string> {
  const turn: InstanceLock = { job: wanted.id, since: now.toISOString() };
  for (;;) {
    if (await locks.insert(wanted.instance, kind, turn)) return wanted.id;
    const held = await locks.get(wanted.instance, kind);
    if (held === undefined) continue;
    if (held.value.job === wanted.id) return wanted.id;
    const job = (await jobs.get(wanted.vault, held.value.job))?.value;
    const isHeld =
      job === undefined ? now.getTime() - Date.parse(held.value.since) < FULL_SAFETY.jobTurnMs : isOpen(job);
    if (isHeld) return held.value.job;
    try {
      await locks.replace(wanted.instance, kind, turn, held.etag);
      return wanted.id;
    } catch (error) {
      if (!(error instanceof VaultError && error.code === "storage/conflict")) throw error;
    }
  }
}
