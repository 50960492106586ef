import { app } from "@azure/functions";
import { input } from "durable-functions";
import { app as composed } from "../../src/app/app.ts";
import { orchestrationsOf, servePoison, serveQueue } from "../../src/app/serve-queue.ts";
import { MarkerCheckMessage, MARKER_CHECKS_QUEUE as queueName } from "../../src/backup/contract.ts";
import { checkMarker } from "../../src/backup/markers.ts";
import { orchestrationId } from "../../src/jobs/contract.ts";
import { CONNECTION as connection, poisonOf } from "./queues.ts";

const extraInputs = [input.durableClient()];

app.storageQueue("markerChecks", {
  ...{ queueName, connection, extraInputs },
  handler: serveQueue("backup", MarkerCheckMessage, async (message, context) => {
    const { backupVault, ...deps } = composed();
    const event = await checkMarker({ ...deps, vault: backupVault }, message);
    if (event === undefined) return;
    await orchestrationsOf(context).raise(orchestrationId("backup", message.job), event, null);
  }),
});

app.storageQueue("markerChecksPoison", {
  ...{ queueName: poisonOf(queueName), connection, extraInputs },
  handler: servePoison("backup", queueName),
});
