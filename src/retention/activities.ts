/**
 * @module
 * A retention is a job of one instance: it takes the instance's lock, ends the purges that were begun before, and purges what
 * has expired.
 */
import { purgeActivity } from "../purge/activities.ts";

/** Purges what has expired. */
export const purgeExpired = purgeActivity("purgeExpired");
