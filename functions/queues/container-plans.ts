import { app } from "@azure/functions";
import { input } from "durable-functions";
import { app as composed } from "../../src/app/app.ts";
import { servePoison, serveQueue } from "../../src/app/serve-queue.ts";
import { PlanMessage, CONTAINER_PLANS_QUEUE as queueName } from "../../src/backup/messages.ts";
import { planContainer } from "../../src/backup/plan-container.ts";
import { CONNECTION as connection, poisonOf, toContainerCopy, toMarkerChecks } from "./queues.ts";

const extraInputs = [input.durableClient()];

app.storageQueue("containerPlans", {
  ...{ queueName, connection, extraInputs, extraOutputs: [toContainerCopy, toMarkerChecks] },
  handler: serveQueue(PlanMessage, async (message, context) => {
    const { backupVault, ...deps } = composed();
    const { ranges, check } = await planContainer({ ...deps, vault: backupVault }, message);
    context.extraOutputs.set(toContainerCopy, ranges);
    if (check !== undefined) context.extraOutputs.set(toMarkerChecks, check);
  }),
});

app.storageQueue("containerPlansPoison", {
  ...{ queueName: poisonOf(queueName), connection, extraInputs },
  handler: servePoison(queueName),
});
