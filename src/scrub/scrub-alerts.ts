import type { Condition } from "../alerts/alert.ts";
import type { Job } from "../jobs/job.ts";
import type { FindingKind, ScrubState } from "./scrub-state.ts";

interface AlertOf extends Pick<Condition, "kind" | "severity"> {
  readonly says: (count: number) => string;
}

/** Alert for each kind of finding. */
export const SCRUB_ALERTS: Readonly<Record<FindingKind, AlertOf>> = {
  missing: {
    kind: "scrub.objects-missing",
    severity: "critical",
    says: (count) => `${count} objects of recovery points are missing from the vault account`,
  },
  altered: {
    kind: "scrub.objects-altered",
    severity: "critical",
    says: (count) => `${count} objects of recovery points were altered in the vault account`,
  },
  manifests: {
    kind: "scrub.manifests-damaged",
    severity: "critical",
    says: (count) => `${count} seals, indexes or segments of recovery points are missing or corrupt`,
  },
  unconfirmed: {
    kind: "scrub.md5-unconfirmed",
    severity: "warning",
    says: (count) =>
      `${count} objects do not match their recorded MD5; they were altered, or the MD5 was wrong at the source`,
  },
};

/** One alert per instance and kind, with the findings of the round so far. */
export function scrubAlert(kind: FindingKind, job: Job, { counts, first, round }: ScrubState): Condition {
  const { kind: alert, severity, says } = SCRUB_ALERTS[kind];
  return {
    kind: alert,
    severity,
    instance: job.instance,
    instanceName: job.instanceName,
    subject: "vault account",
    message: says(counts[kind]),
    details: { counts: { [kind]: counts[kind], round }, names: first[kind] },
  };
}
