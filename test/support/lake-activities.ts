/**
 * @module
 * The real activities of backups, restores and retentions over a lake in memory, by name, for the real orchestrations.
 */
import {
  beginBackup,
  planRanges,
  removeMarkers,
  sealRecoveryPoint,
  writeMarkers,
} from "../../src/backup/activities.ts";
import { beginBackupActivity } from "../../src/backup/begin-backup.ts";
import { writeMarkersActivity } from "../../src/backup/markers.ts";
import type { MarkerCheckMessage, PlanMessage, RangeMessage } from "../../src/backup/messages.ts";
import { planRangesActivity } from "../../src/backup/plan-container.ts";
import { removeMarkersActivity } from "../../src/backup/remove-markers.ts";
import { sealRecoveryPointActivity } from "../../src/backup/seal-recovery-point.ts";
import { sweepDebris } from "../../src/debris/sweep-activity.ts";
import { sweepDebrisActivity } from "../../src/debris/sweep-debris.ts";
import { endJob, endJobActivity } from "../../src/jobs/end-job.ts";
import type { JobRef } from "../../src/jobs/job-ref.ts";
import { finishPurges } from "../../src/purge/activities.ts";
import { beginRestore, checkRestore, planSegments } from "../../src/restore/activities.ts";
import { beginRestoreActivity } from "../../src/restore/begin-restore.ts";
import { checkRestoreActivity } from "../../src/restore/check-restore.ts";
import type { LanesMessage } from "../../src/restore/messages.ts";
import { planSegmentsActivity } from "../../src/restore/plan-segments.ts";
import { purgeExpired } from "../../src/retention/activities.ts";
import { finishPurgesActivity, purgeExpiredActivity } from "../../src/retention/purge-expired.ts";
import type { Activities } from "./run-flow.ts";

export type CopyMessage = PlanMessage | RangeMessage | MarkerCheckMessage;

/** What the activities need. */
type LakeDeps = Parameters<typeof finishPurgesActivity>[0] &
  Parameters<typeof beginBackupActivity>[0] &
  Parameters<typeof writeMarkersActivity>[0] &
  Parameters<typeof planRangesActivity>[0] &
  Parameters<typeof sealRecoveryPointActivity>[0] &
  Parameters<typeof endJobActivity>[0] &
  Parameters<typeof removeMarkersActivity>[0] &
  Parameters<typeof sweepDebrisActivity>[0] &
  Parameters<typeof beginRestoreActivity>[0] &
  Parameters<typeof planSegmentsActivity>[0] &
  Parameters<typeof checkRestoreActivity>[0];

/** How a test delivers messages and runs activities. */
export interface LakeDelivery {
  /** Delivers the messages of a backup, and all that follow, until each of the containers has raised its event. */
  readonly copies: (messages: readonly CopyMessage[], containers: readonly string[]) => Promise<void>;
  /** The same for a restore. */
  readonly restores: (messages: readonly LanesMessage[], containers: readonly string[]) => Promise<void>;
  /** Runs an activity; a test may run it twice, or again after a failure. */
  readonly run?: <T>(activity: () => Promise<T>) => Promise<T>;
}

export function lakeActivities(lake: { readonly deps: LakeDeps }, delivery: LakeDelivery): Activities {
  const { run = (activity) => activity() } = delivery;
  let containers: readonly string[] = [];
  const simple = <In, Out>(activity: (deps: LakeDeps, input: In) => Promise<Out>) => {
    return (input: In): Promise<Out> => run(() => activity(lake.deps, input));
  };
  return {
    [finishPurges.name]: simple(finishPurgesActivity),
    [beginBackup.name]: async (ref: JobRef) => {
      const begun = await run(() => beginBackupActivity(lake.deps, ref));
      containers = begun.containers;
      return begun;
    },
    [writeMarkers.name]: simple(writeMarkersActivity),
    [planRanges.name]: async (ref: JobRef) => {
      await delivery.copies(await run(() => planRangesActivity(lake.deps, ref)), containers);
      return null;
    },
    [sealRecoveryPoint.name]: simple(sealRecoveryPointActivity),
    [endJob.name]: simple(endJobActivity),
    [removeMarkers.name]: simple(removeMarkersActivity),
    [sweepDebris.name]: simple(sweepDebrisActivity),
    [beginRestore.name]: simple(beginRestoreActivity),
    [planSegments.name]: async (ref: JobRef) => {
      const planned = await run(() => planSegmentsActivity(lake.deps, ref));
      await delivery.restores(planned.messages, planned.containers);
      return planned.containers;
    },
    [checkRestore.name]: simple(checkRestoreActivity),
    [purgeExpired.name]: simple(purgeExpiredActivity),
  };
}
