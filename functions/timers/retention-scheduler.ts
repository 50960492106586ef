import { app } from "@azure/functions";
import { input } from "durable-functions";
import { runRetention } from "../../src/app/run-management.ts";

// An instance gets at most one retention per day; the timer runs more often, because a backup may hold the lock.
app.timer("retentionScheduler", {
  schedule: "0 23 * * * *",
  extraInputs: [input.durableClient()],
  handler: (_timer, context) => runRetention(context),
});
