import { app } from "@azure/functions";
import { input } from "durable-functions";
import { runScheduler } from "../../src/app/run-scheduler.ts";

app.timer("scheduler", {
  schedule: "0 * * * * *",
  extraInputs: [input.durableClient()],
  handler: (_timer, context) => runScheduler(context),
});
