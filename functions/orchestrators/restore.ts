import { app, type Task } from "durable-functions";
import { durableFlow } from "../../src/azure/durable-flow.ts";
import { JobRef } from "../../src/jobs/job-ref.ts";
import { restoreOrchestration } from "../../src/restore/restore-orchestration.ts";

app.orchestration("restore", function* (context) {
  const job = JobRef.parse(context.df.getInput());
  return yield* restoreOrchestration(durableFlow(context), job) as Generator<Task>;
});
