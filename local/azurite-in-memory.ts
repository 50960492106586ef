/**
 * @module
 * Preloaded into an Azurite with data in memory. Every ten minutes Azurite runs a garbage collection of blob content,
 * and every minute one of queue messages. In memory, it does not answer meanwhile: 5 s after 1,700 changes of blobs,
 * growing with the square of their number (measured with 3.37); and it may collect what a request is just writing. Such
 * an Azurite lives for a single run, so it needs no collection.
 */
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** Max delay of `setTimeout`. */
const NEVER_MS = 2 ** 31 - 1;

for (const service of ["blob", "queue"]) {
  const constants: { DEFAULT_GC_INTERVAL_MS?: number } = require(`azurite/dist/src/${service}/utils/constants.js`);
  if (constants.DEFAULT_GC_INTERVAL_MS === undefined)
    throw new Error("cannot disable garbage collection in this Azurite");
  constants.DEFAULT_GC_INTERVAL_MS = NEVER_MS;
}
