import { app } from "@azure/functions";
import { input } from "durable-functions";
import { app as composed } from "../../src/app/app.ts";
import { servePoison, serveQueue } from "../../src/app/serve-queue.ts";
import { CONTAINER_COPY_QUEUE as queueName, RangeMessage } from "../../src/backup/messages.ts";
import { workRange } from "../../src/backup/work-range.ts";
import { CONNECTION as connection, poisonOf, toContainerCopy, toMarkerChecks } from "./queues.ts";

const extraInputs = [input.durableClient()];

app.storageQueue("containerCopy", {
  ...{ queueName, connection, extraInputs, extraOutputs: [toContainerCopy, toMarkerChecks] },
  handler: serveQueue(RangeMessage, async (message, context) => {
    const { backupVault, rangeSettings, ...deps } = composed();
    const { ranges, check } = await workRange({ ...deps, vault: backupVault, settings: rangeSettings }, message);
    context.extraOutputs.set(toContainerCopy, ranges);
    if (check !== undefined) context.extraOutputs.set(toMarkerChecks, check);
  }),
});

app.storageQueue("containerCopyPoison", {
  ...{ queueName: poisonOf(queueName), connection, extraInputs },
  handler: servePoison(queueName),
});
