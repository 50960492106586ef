import { app, type Task } from "durable-functions";
import { durableFlow } from "../../src/azure/durable-flow.ts";
import { JobRef } from "../../src/jobs/job-ref.ts";
import { retentionOrchestration } from "../../src/retention/retention-orchestration.ts";

app.orchestration("retention", function* (context) {
  const job = JobRef.parse(context.df.getInput());
  return yield* retentionOrchestration(durableFlow(context), job) as Generator<Task>;
});
