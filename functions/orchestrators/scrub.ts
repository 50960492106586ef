import { app, type Task } from "durable-functions";
import { durableFlow } from "../../src/azure/durable-flow.ts";
import { JobRef } from "../../src/jobs/job-ref.ts";
import { scrubOrchestration } from "../../src/scrub/scrub-orchestration.ts";

app.orchestration("scrub", function* (context) {
  const job = JobRef.parse(context.df.getInput());
  return yield* scrubOrchestration(durableFlow(context), job) as Generator<Task>;
});
