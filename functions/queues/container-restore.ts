import { app } from "@azure/functions";
import { input } from "durable-functions";
import { app as composed } from "../../src/app/app.ts";
import { raisingOf, servePoison, serveQueue } from "../../src/app/serve-queue.ts";
import { raiseEvent } from "../../src/jobs/raise-event.ts";
import { CONTAINER_RESTORE_QUEUE as queueName, SegmentMessage } from "../../src/restore/messages.ts";
import { restoreSegment } from "../../src/restore/restore-segment.ts";
import { CONNECTION as connection, poisonOf, toContainerRestore } from "./queues.ts";

const extraInputs = [input.durableClient()];

app.storageQueue("containerRestore", {
  ...{ queueName, connection, extraInputs, extraOutputs: [toContainerRestore] },
  handler: serveQueue(SegmentMessage, async (message, context) => {
    const { restoreSettings, ...deps } = composed();
    const { rest, event } = await restoreSegment({ ...deps, settings: restoreSettings }, message);
    if (rest !== undefined) context.extraOutputs.set(toContainerRestore, rest);
    if (event !== undefined) await raiseEvent(raisingOf(context), message, event, null);
  }),
});

app.storageQueue("containerRestorePoison", {
  ...{ queueName: poisonOf(queueName), connection, extraInputs },
  handler: servePoison(queueName),
});
