import { app } from "durable-functions";
import { app as composed } from "../../src/app/app.ts";
import { serveActivity } from "../../src/app/serve-activity.ts";
import {
  beginBackup,
  planRanges,
  removeMarkers,
  sealRecoveryPoint,
  writeMarkers,
} from "../../src/backup/activities.ts";
import { beginBackupActivity } from "../../src/backup/begin-backup.ts";
import { writeMarkersActivity } from "../../src/backup/markers.ts";
import { planRangesActivity } from "../../src/backup/plan-container.ts";
import { removeMarkersActivity } from "../../src/backup/remove-markers.ts";
import { sealRecoveryPointActivity } from "../../src/backup/seal-recovery-point.ts";
import { sweepDebris } from "../../src/debris/sweep-activity.ts";
import { sweepDebrisActivity } from "../../src/debris/sweep-debris.ts";
import { toContainerPlans } from "../queues/queues.ts";

app.activity(beginBackup.name, {
  handler: serveActivity(beginBackup, (job) => beginBackupActivity(composed(), job)),
});
app.activity(writeMarkers.name, {
  handler: serveActivity(writeMarkers, (job) => writeMarkersActivity(composed(), job)),
});
app.activity(planRanges.name, {
  extraOutputs: [toContainerPlans],
  handler: serveActivity(planRanges, async (job, context) => {
    context.extraOutputs.set(toContainerPlans, await planRangesActivity(composed(), job));
    return null;
  }),
});
app.activity(sealRecoveryPoint.name, {
  handler: serveActivity(sealRecoveryPoint, (job) => sealRecoveryPointActivity(composed(), job)),
});
app.activity(removeMarkers.name, {
  handler: serveActivity(removeMarkers, (job) => removeMarkersActivity(composed(), job)),
});
app.activity(sweepDebris.name, {
  handler: serveActivity(sweepDebris, (input) => {
    const { sweepableVault: vault, rangeSettings: settings, ...deps } = composed();
    return sweepDebrisActivity({ ...deps, vault, settings }, input);
  }),
});
