import { app } from "durable-functions";
import { type App, app as composed } from "../../src/app/app.ts";
import { serveActivity } from "../../src/app/serve-activity.ts";
import { finishPurges } from "../../src/purge/activities.ts";
import { purgeExpired } from "../../src/retention/activities.ts";
import { finishPurgesActivity, purgeExpiredActivity, type RetentionDeps } from "../../src/retention/purge-expired.ts";

function deps({ sweepableVault: vault, rangeSettings: settings, ...rest }: App): RetentionDeps {
  return { ...rest, vault, settings };
}

app.activity(finishPurges.name, {
  handler: serveActivity(finishPurges, (input) => finishPurgesActivity(deps(composed()), input)),
});
app.activity(purgeExpired.name, {
  handler: serveActivity(purgeExpired, (input) => purgeExpiredActivity(deps(composed()), input)),
});
