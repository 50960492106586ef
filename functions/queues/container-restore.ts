import { app } from "@azure/functions";
import { input } from "durable-functions";
import { app as composed } from "../../src/app/app.ts";
import { orchestrationsOf, servePoison, serveQueue } from "../../src/app/serve-queue.ts";
import { orchestrationId } from "../../src/jobs/contract.ts";
import { CONTAINER_RESTORE_QUEUE as queueName, SegmentMessage } from "../../src/restore/contract.ts";
import { restoreSegment } from "../../src/restore/restore-segment.ts";
import { CONNECTION as connection, poisonOf, toContainerRestore } from "./queues.ts";

const extraInputs = [input.durableClient()];

app.storageQueue("containerRestore", {
  ...{ queueName, connection, extraInputs, extraOutputs: [toContainerRestore] },
  handler: serveQueue("restore", SegmentMessage, async (message, context) => {
    const { restoreSettings, ...deps } = composed();
    const { rest, event } = await restoreSegment({ ...deps, settings: restoreSettings }, message);
    if (rest !== undefined) context.extraOutputs.set(toContainerRestore, rest);
    if (event === undefined) return;
    await orchestrationsOf(context).raise(orchestrationId("restore", message.job), event, null);
  }),
});

app.storageQueue("containerRestorePoison", {
  ...{ queueName: poisonOf(queueName), connection, extraInputs },
  handler: servePoison("restore", queueName),
});
