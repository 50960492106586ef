import { app } from "@azure/functions";
import { input } from "durable-functions";
import { app as composed } from "../../src/app/app.ts";
import { servePoison, serveQueue } from "../../src/app/serve-queue.ts";
import { LanesMessage, CONTAINER_RESTORE_PLANS_QUEUE as queueName } from "../../src/restore/messages.ts";
import { planLanes } from "../../src/restore/plan-segments.ts";
import { CONNECTION as connection, poisonOf, toContainerRestore } from "./queues.ts";

const extraInputs = [input.durableClient()];

app.storageQueue("containerRestorePlans", {
  ...{ queueName, connection, extraInputs, extraOutputs: [toContainerRestore] },
  handler: serveQueue(LanesMessage, async (message, context) => {
    context.extraOutputs.set(toContainerRestore, await planLanes(composed(), message));
  }),
});

app.storageQueue("containerRestorePlansPoison", {
  ...{ queueName: poisonOf(queueName), connection, extraInputs },
  handler: servePoison(queueName),
});
