/**
 * @module The paths through orchestrations, for `npm run record:histories`. A new path, or a new version of an
 *   orchestration, needs a new case. A case whose code is gone may be deleted; its history is kept, because replays are
 *   compared with it.
 */
import {
  beginBackup,
  planRanges,
  removeMarkers,
  sealRecoveryPoint,
  writeMarkers,
} from "../../src/backup/activities.ts";
import { replicatedEvent } from "../../src/backup/messages.ts";
import { sweepDebris } from "../../src/debris/sweep-activity.ts";
import { type FailureCode, VaultError } from "../../src/foundation/errors.ts";
import { FAILED_EVENT } from "../../src/foundation/flow.ts";
import { endJob } from "../../src/jobs/end-job.ts";
import { type JobTotals, NO_TOTALS } from "../../src/jobs/job-totals.ts";
import { finishPurges, type PurgeEnd } from "../../src/purge/activities.ts";
import { beginRestore, checkRestore, planSegments } from "../../src/restore/activities.ts";
import { restoredEvent } from "../../src/restore/messages.ts";
import { purgeExpired } from "../../src/retention/activities.ts";
import { scrubStep } from "../../src/scrub/activities.ts";
import { MAX_SCRUB_STEPS } from "../../src/scrub/scrub-orchestration.ts";
import type { RaisedEvent } from "../support/run-flow.ts";
import { type Answer, type HistoryCase, type ScriptedActivity, scripted } from "./recorder.ts";

const TOTALS: JobTotals = {
  ...NO_TOTALS,
  listed: 12,
  copied: 4,
  copiedBytes: 4096,
  unchanged: 8,
  entries: 12,
  bytes: 9000,
};
const FEW = ["raw", "$web"];
/** So many that their events arrive in several episodes. */
const MANY = Array.from({ length: 24 }, (_, n) => `container-${String(n).padStart(2, "0")}`);

const CANCELLED: RaisedEvent = {
  event: FAILED_EVENT,
  value: { code: "job/cancelled", message: "the job was cancelled" },
};
const POISONED: RaisedEvent = {
  event: FAILED_EVENT,
  value: { code: "message/poisoned", message: "a message was given up after 5 tries", hint: "see the log" },
};

const gives = <Out>(value: Out): Answer<Out> => ({ value });
const fails = (code: FailureCode, message: string, hint?: string): Answer<never> => ({
  error: new VaultError(code, message, hint === undefined ? {} : { hint }),
});
const AWAY = fails("storage/unavailable", "the vault account does not answer");
const THROTTLED = fails("storage/throttled", "the account is asked for more than it can do");
const CANCELLED_BEFORE = fails("job/cancelled", "the job was cancelled");
const BROKEN: Answer<never> = { error: new TypeError("x is not a function") };

/** One after the other, or in groups that arrive together. */
function events(names: readonly string[], together = 1): RaisedEvent[][] {
  const groups: RaisedEvent[][] = [];
  for (let at = 0; at < names.length; at += together) {
    groups.push(names.slice(at, at + together).map((event) => ({ event, value: null })));
  }
  return groups;
}

/** The same activities, except for those with another behaviour. */
function but(calm: readonly ScriptedActivity[], others: readonly ScriptedActivity[]): ScriptedActivity[] {
  const isReplaced = ({ name }: ScriptedActivity): boolean => others.some((other) => other.name === name);
  return [...calm.filter((activity) => !isReplaced(activity)), ...others];
}

const DONE: PurgeEnd = { done: true };

const purged = scripted(finishPurges, [gives(DONE)]);
const swept = scripted(sweepDebris, [gives(null)]);
const ends = (status: "Completed" | "Failed" | "Cancelled"): ScriptedActivity => scripted(endJob, [gives(status)]);

const calmBackup = [
  purged,
  scripted(beginBackup, [gives({ begun: true, containers: FEW })]),
  scripted(writeMarkers, [gives(null)]),
  scripted(planRanges, [gives(null)]),
  scripted(sealRecoveryPoint, [gives(TOTALS)]),
  ends("Completed"),
  scripted(removeMarkers, [gives(null)]),
  swept,
];
const REPLICATED = events(FEW.map(replicatedEvent));
const MANY_REPLICATED = events(MANY.map(replicatedEvent).reverse(), 5);

const longPurge = [
  gives({ done: false }),
  gives({ done: false, from: { recoveryPoint: "6d2f1a", container: "raw", segment: 3 } }),
  gives({ done: false, from: { recoveryPoint: "6d2f1a", container: "$web", segment: 0 } }),
  gives({ done: true }),
];
const longSweep = [gives({ sequence: 7, path: "data/raw/m" }), gives({ sequence: 8, path: "data/raw/a" }), gives(null)];

function backup(name: string, others: readonly ScriptedActivity[], raised = REPLICATED): HistoryCase {
  return { orchestration: "backup", case: name, activities: but(calmBackup, others), events: raised };
}

const BACKUPS: readonly HistoryCase[] = [
  backup("completed", []),
  backup("many-containers", [scripted(beginBackup, [gives({ begun: true, containers: MANY })])], MANY_REPLICATED),
  backup("long-purges-and-sweeps", [scripted(finishPurges, longPurge), scripted(sweepDebris, longSweep)]),
  backup("replicated-early", [scripted(planRanges, [gives(null)], REPLICATED.flat())], []),
  backup("ended-before", [scripted(beginBackup, [gives({ begun: false, containers: [] })])], []),
  backup("retried", [
    scripted(beginBackup, [AWAY, gives({ begun: true, containers: FEW })]),
    scripted(writeMarkers, [THROTTLED, AWAY, BROKEN, THROTTLED, gives(null)]),
    scripted(endJob, [AWAY, gives("Completed")]),
  ]),
  backup("given-up", [scripted(sealRecoveryPoint, [THROTTLED]), ends("Failed")]),
  backup("broken", [scripted(planRanges, [BROKEN]), ends("Failed")], []),
  backup(
    "refused",
    [
      scripted(finishPurges, [fails("instance/busy", "job '4711' is at work", "wait until it has ended")]),
      ends("Failed"),
    ],
    [],
  ),
  backup("cancelled", [ends("Cancelled")], [...REPLICATED.slice(0, 1), [CANCELLED]]),
  backup(
    "cancelled-early",
    [scripted(writeMarkers, [gives(null)], [CANCELLED]), scripted(endJob, [gives("Cancelled")], REPLICATED.flat())],
    [],
  ),
  backup("poisoned", [ends("Failed")], [[POISONED, ...REPLICATED.flat()]]),
  backup("untidied", [scripted(removeMarkers, [AWAY]), scripted(sweepDebris, [...longSweep.slice(0, 1), AWAY])]),
  backup("end-failed", [scripted(endJob, [AWAY])]),
];

const calmRestore = [
  scripted(beginRestore, [gives({ begun: true, containers: FEW })]),
  scripted(planSegments, [gives(FEW)]),
  scripted(checkRestore, [gives(TOTALS)]),
  ends("Completed"),
];
const RESTORED = events(FEW.map(restoredEvent));
const MANY_RESTORED = events(MANY.map(restoredEvent), 7);

function restore(name: string, others: readonly ScriptedActivity[], raised = RESTORED): HistoryCase {
  return { orchestration: "restore", case: name, activities: but(calmRestore, others), events: raised };
}

const RESTORES: readonly HistoryCase[] = [
  restore("completed", []),
  restore("many-containers", [scripted(planSegments, [gives(MANY)])], MANY_RESTORED),
  restore("nothing-to-restore", [scripted(planSegments, [gives([])])], []),
  restore("restored-early", [scripted(planSegments, [gives(FEW)], RESTORED.flat())], []),
  restore("ended-before", [scripted(beginRestore, [gives({ begun: false, containers: [] })])], []),
  restore("retried", [
    scripted(planSegments, [AWAY, THROTTLED, gives(FEW)]),
    scripted(endJob, [AWAY, gives("Completed")]),
  ]),
  restore(
    "refused",
    [scripted(beginRestore, [fails("restore/target-container-exists", "container 'raw' exists")]), ends("Failed")],
    [],
  ),
  restore("verification-failed", [
    scripted(checkRestore, [fails("restore/verification-failed", "container 'raw' has 11 of 12 entries")]),
    ends("Failed"),
  ]),
  restore("cancelled", [ends("Cancelled")], [...RESTORED.slice(0, 1), [CANCELLED]]),
  restore("cancelled-early", [scripted(planSegments, [gives(FEW)], [CANCELLED]), ends("Cancelled")], []),
  restore("end-failed", [scripted(endJob, [AWAY])]),
];

const calmRetention = [purged, swept, scripted(purgeExpired, [gives(DONE)]), ends("Completed")];

function retention(name: string, others: readonly ScriptedActivity[]): HistoryCase {
  return { orchestration: "retention", case: name, activities: but(calmRetention, others) };
}

const RETENTIONS: readonly HistoryCase[] = [
  retention("completed", []),
  retention("long", [
    scripted(finishPurges, longPurge),
    scripted(sweepDebris, longSweep),
    scripted(purgeExpired, [...longPurge.slice(0, -1), ...longPurge]),
  ]),
  retention("retried", [
    scripted(finishPurges, [AWAY, gives({ done: true })]),
    scripted(purgeExpired, [...longPurge.slice(0, 2), THROTTLED, AWAY, gives({ done: true })]),
  ]),
  retention("given-up", [scripted(sweepDebris, [AWAY]), ends("Failed")]),
  retention("cancelled", [
    scripted(purgeExpired, [...longPurge.slice(0, 2), CANCELLED_BEFORE], [CANCELLED]),
    ends("Cancelled"),
  ]),
  retention("end-failed", [scripted(endJob, [BROKEN])]),
];

const calmScrub = [scripted(scrubStep, [gives({ isDone: true })]), ends("Completed")];

function scrub(name: string, others: readonly ScriptedActivity[]): HistoryCase {
  return { orchestration: "scrub", case: name, activities: but(calmScrub, others) };
}

const steps = (count: number): Answer<{ isDone: boolean }>[] =>
  Array.from({ length: count }, () => gives({ isDone: false }));

const SCRUBS: readonly HistoryCase[] = [
  scrub("completed", [scripted(scrubStep, [...steps(4), gives({ isDone: true })])]),
  scrub(`of-${MAX_SCRUB_STEPS}-steps`, [scripted(scrubStep, steps(1))]),
  scrub("retried", [scripted(scrubStep, [...steps(1), AWAY, THROTTLED, gives({ isDone: true })])]),
  scrub("given-up", [scripted(scrubStep, [...steps(1), THROTTLED]), ends("Failed")]),
  scrub("cancelled", [scripted(scrubStep, [...steps(2), CANCELLED_BEFORE], [CANCELLED]), ends("Cancelled")]),
];

/** All cases, recorded or not. */
export const CASES: readonly HistoryCase[] = [...BACKUPS, ...RESTORES, ...RETENTIONS, ...SCRUBS];
