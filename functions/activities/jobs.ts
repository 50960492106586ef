import { app } from "durable-functions";
import { app as composed } from "../../src/app/app.ts";
import { serveActivity } from "../../src/app/serve-activity.ts";
import { endJob, endJobActivity } from "../../src/jobs/end-job.ts";

app.activity(endJob.name, {
  handler: serveActivity(endJob, (input) => endJobActivity(composed(), input)),
});
