import { app } from "@azure/functions";
import { input } from "durable-functions";
import { runScrub } from "../../src/app/run-management.ts";

app.timer("scrubScheduler", {
  schedule: "0 41 * * * *",
  extraInputs: [input.durableClient()],
  handler: (_timer, context) => runScrub(context),
});
