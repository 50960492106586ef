import { type About, aboutOf } from "./fault-table.ts";

/** The step of a backup that got the answer. */
export const FAULT_STEPS = ["listing", "look", "snapshot", "copy", "marker", "seal"] as const;
export type FaultStep = (typeof FAULT_STEPS)[number];

/** The account that gave the answer; for a copy, the one that is at fault. */
export type FaultSide = "source" | "vault";

/**
 * The consequence.
 *
 * - `retry`: the request is retried; {@link afterRetries} decides what to do if it still fails
 * - `warning`: the recovery point lacks the blob, and its seal has a warning
 * - `container-skipped`: the recovery point lacks the container, and its seal has a warning
 * - `job-failed`: there is no recovery point
 */
export type FaultVerdict = "retry" | "warning" | "container-skipped" | "job-failed";

export interface FaultDecision {
  readonly verdict: FaultVerdict;
  readonly reason: string;
}

const isOfBlob = (step: FaultStep): boolean => step === "look" || step === "snapshot" || step === "copy";

/**
 * Decides what an answer of a storage service means for a backup.
 *
 * A warning or a skipped container must be an exception. So before the first warning the job's own marker is copied the
 * same way, and before the second skipped container other containers are read: if those fail too, it is the account.
 */
export function decideFault(
  answer: { readonly status: number; readonly code: string },
  step: FaultStep,
  side: FaultSide = step === "seal" ? "vault" : "source",
): FaultDecision {
  return side === "vault" ? ofVault(aboutOf(answer), step) : ofSource(aboutOf(answer), step);
}

function ofSource(about: About, step: FaultStep): FaultDecision {
  switch (about) {
    case "moment":
      return { verdict: "retry", reason: "the error is transient" };
    case "race":
      return { verdict: "retry", reason: "the blob is read again, and copied in its current version, or is gone" };
    case "container":
      return { verdict: "container-skipped", reason: "nothing in the container can be read, but all others can" };
    case "account":
      return { verdict: "job-failed", reason: "all requests to the account fail" };
    case "right":
    case "blob":
      if (isOfBlob(step)) return { verdict: "warning", reason: "only this blob fails; all others are copied" };
      return { verdict: "container-skipped", reason: "without its marker and its listing a container is incomplete" };
  }
}

function ofVault(about: About, step: FaultStep): FaultDecision {
  switch (about) {
    case "moment":
    case "race":
      return { verdict: "retry", reason: "the error is transient, or another execution was faster" };
    case "right":
    case "account":
      return { verdict: "retry", reason: "the operator can fix the vault account while the job waits" };
    case "container":
      return { verdict: "job-failed", reason: "the vault account cannot be written to" };
    case "blob":
      if (isOfBlob(step)) return { verdict: "warning", reason: "the vault refuses this blob, but accepts all others" };
      return { verdict: "job-failed", reason: "without this file there is no recovery point" };
  }
}

/** Decides what to do when retries did not help. */
export function afterRetries(step: FaultStep): FaultDecision {
  if (isOfBlob(step)) return { verdict: "warning", reason: "all other blobs succeed, so the cause is this one" };
  return { verdict: "job-failed", reason: "the account does not answer; the next job reuses what is done" };
}
