import type { Condition } from "../alerts/alert.ts";
import type { Job } from "../jobs/job.ts";
import type { FindingKind, ScrubState } from "./scrub-state.ts";

interface AlertOf extends Pick<Condition, "kind" | "severity"> {
  readonly says: (count: number) => string;
}

/** What an operator is told of each kind of finding. */
export const SCRUB_ALERTS: Readonly<Record<FindingKind, AlertOf>> = {
  missing: {
    kind: "scrub.objects-missing",
    severity: "critical",
    says: (count) => `${count} objects that recovery points need are not in the vault account`,
  },
  altered: {
    kind: "scrub.objects-altered",
    severity: "critical",
    says: (count) => `${count} objects that recovery points need are not as they were written`,
  },
  manifests: {
    kind: "scrub.manifests-damaged",
    severity: "critical",
    says: (count) => `${count} seals, indexes or segments of recovery points are missing or cannot be read`,
  },
  unconfirmed: {
    kind: "scrub.md5-unconfirmed",
    severity: "warning",
    says: (count) =>
      `${count} objects have another MD5 than is noted; they were altered, or had a wrong one at the source`,
  },
};

/** One alert an instance and a kind; what the round has found so far stands in it. */
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
