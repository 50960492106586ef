import { type About, aboutOf } from "./fault-table.ts";

/** Where in a backup an answer came. */
export const FAULT_STEPS = ["listing", "look", "snapshot", "copy", "marker", "seal"] as const;
export type FaultStep = (typeof FAULT_STEPS)[number];

/** Which account gave the answer; of a copy, the one that is at fault. */
export type FaultSide = "source" | "vault";

/**
 * What becomes of it.
 *
 * - `retry`: the request is retried; what then still fails is decided by {@link afterRetries}
 * - `warning`: the blob is left out of the recovery point and named in its seal
 * - `container-skipped`: the container is left out as a whole and named in the seal
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
 * A warning or a skipped container stands for one among many. So before the first is believed, the job's own marker is
 * copied the same way, and before the second, other containers are asked: when they are refused too, it is the account.
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
      return { verdict: "retry", reason: "the service says that it passes" };
    case "race":
      return { verdict: "retry", reason: "the blob is looked at again, and is taken as it is then, or is gone" };
    case "container":
      return { verdict: "container-skipped", reason: "nothing in the container can be read, and all others can" };
    case "account":
      return { verdict: "job-failed", reason: "every request to the account is answered so" };
    case "right":
    case "blob":
      if (isOfBlob(step)) return { verdict: "warning", reason: "the answer is about this blob; all others are taken" };
      return { verdict: "container-skipped", reason: "without its marker and its listing a container cannot be whole" };
  }
}

function ofVault(about: About, step: FaultStep): FaultDecision {
  switch (about) {
    case "moment":
    case "race":
      return { verdict: "retry", reason: "the service says that it passes, or another execution was faster" };
    case "right":
    case "account":
      return { verdict: "retry", reason: "the operator can mend the vault account while the job waits" };
    case "container":
      return { verdict: "job-failed", reason: "there is nowhere to write to" };
    case "blob":
      if (isOfBlob(step))
        return { verdict: "warning", reason: "the vault does not take this blob; it takes all others" };
      return { verdict: "job-failed", reason: "without this file there is no recovery point" };
  }
}

/** Decides what becomes of a request that retries did not help. */
export function afterRetries(step: FaultStep): FaultDecision {
  if (isOfBlob(step)) return { verdict: "warning", reason: "all other blobs are answered, so it is this one's fault" };
  return { verdict: "job-failed", reason: "the account does not answer; the next job goes on with what is there" };
}
