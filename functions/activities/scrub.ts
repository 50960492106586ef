import { app } from "durable-functions";
import { app as composed } from "../../src/app/app.ts";
import { serveActivity } from "../../src/app/serve-activity.ts";
import { scrubStep } from "../../src/scrub/activities.ts";
import { scrubStepActivity } from "../../src/scrub/scrub-step.ts";

app.activity(scrubStep.name, {
  handler: serveActivity(scrubStep, (job) => scrubStepActivity(composed(), job)),
});
