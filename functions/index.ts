/** @module Entry point of the app: every file registers its functions when it is loaded. */
import "./activities/backup.ts";
import "./activities/jobs.ts";
import "./activities/restore.ts";
import "./activities/retention.ts";
import "./activities/scrub.ts";
import "./hooks.ts";

import "./http/api.ts";
import "./http/health.ts";
import "./orchestrators/backup.ts";
import "./orchestrators/restore.ts";
import "./orchestrators/retention.ts";
import "./orchestrators/scrub.ts";
import "./queues/container-copy.ts";
import "./queues/container-plans.ts";
import "./queues/container-restore.ts";
import "./queues/container-restore-plans.ts";
import "./queues/marker-checks.ts";
import "./timers/retention-scheduler.ts";
import "./timers/scheduler.ts";
import "./timers/scrub-scheduler.ts";
