import { app } from "durable-functions";
import { app as composed } from "../../src/app/app.ts";
import { serveActivity } from "../../src/app/serve-activity.ts";
import { beginRestore, checkRestore, planSegments } from "../../src/restore/activities.ts";
import { beginRestoreActivity } from "../../src/restore/begin-restore.ts";
import { checkRestoreActivity } from "../../src/restore/check-restore.ts";
import { planSegmentsActivity } from "../../src/restore/plan-segments.ts";
import { toContainerRestorePlans } from "../queues/queues.ts";

app.activity(beginRestore.name, {
  handler: serveActivity(beginRestore, (job) => beginRestoreActivity(composed(), job)),
});
app.activity(planSegments.name, {
  extraOutputs: [toContainerRestorePlans],
  handler: serveActivity(planSegments, async (job, context) => {
    const { containers, messages } = await planSegmentsActivity(composed(), job);
    context.extraOutputs.set(toContainerRestorePlans, messages);
    return containers;
  }),
});
app.activity(checkRestore.name, {
  handler: serveActivity(checkRestore, (job) => checkRestoreActivity(composed(), job)),
});
