import { app } from "@azure/functions";
import { input } from "durable-functions";
import { runRetention } from "../../src/app/run-management.ts";

// Once a day is enough for an instance, and it sees to that; more often, because a backup may be at work.
app.timer("retentionScheduler", {
  schedule: "0 23 * * * *",
  extraInputs: [input.durableClient()],
  handler: (_timer, context) => runRetention(context),
});
