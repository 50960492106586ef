import { app } from "@azure/functions";
import { input } from "durable-functions";
import { app as composed } from "../../src/app/app.ts";
import { raisingOf, servePoison, serveQueue } from "../../src/app/serve-queue.ts";
import { checkMarker } from "../../src/backup/markers.ts";
import { MarkerCheckMessage, MARKER_CHECKS_QUEUE as queueName } from "../../src/backup/messages.ts";
import { raiseEvent } from "../../src/jobs/raise-event.ts";
import { CONNECTION as connection, poisonOf } from "./queues.ts";

const extraInputs = [input.durableClient()];

app.storageQueue("markerChecks", {
  ...{ queueName, connection, extraInputs },
  handler: serveQueue(MarkerCheckMessage, async (message, context) => {
    const { backupVault, ...deps } = composed();
    const event = await checkMarker({ ...deps, vault: backupVault }, message);
    if (event !== undefined) await raiseEvent(raisingOf(context), message, event, null);
  }),
});

app.storageQueue("markerChecksPoison", {
  ...{ queueName: poisonOf(queueName), connection, extraInputs },
  handler: servePoison(queueName),
});
