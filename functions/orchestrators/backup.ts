import { app, type Task } from "durable-functions";
import { durableFlow } from "../../src/azure/durable-flow.ts";
import { backupOrchestration } from "../../src/backup/backup-orchestration.ts";
import { JobRef } from "../../src/jobs/job-ref.ts";

app.orchestration("backup", function* (context) {
  const job = JobRef.parse(context.df.getInput());
  return yield* backupOrchestration(durableFlow(context), job) as Generator<Task>;
});
