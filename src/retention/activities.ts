/**
 * @module A retention is a job of one instance: it takes the instance's lock, finishes unfinished purges, and purges
 *   expired points.
 */
import { purgeActivity } from "../purge/activities.ts";

/** Purges the expired points. */
export const purgeExpired = purgeActivity("purgeExpired");
