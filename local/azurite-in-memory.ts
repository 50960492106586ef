/**
 * @module
 * Preloaded into an Azurite that keeps its data in memory. Azurite collects what no blob refers to any more every ten
 * minutes, and every minute what no queue message does. While it does that in memory it answers nobody: for 5 s after 1,700
 * changes of blobs, and the time grows with the square of their number (measured with 3.37); and it may collect what a request is
 * just writing. Such an Azurite lives as long as one run of something, so it need not collect.
 */
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** The longest that `setTimeout` can wait. */
const NEVER_MS = 2 ** 31 - 1;

for (const service of ["blob", "queue"]) {
  const constants: { DEFAULT_GC_INTERVAL_MS?: number } = require(`azurite/dist/src/${service}/utils/constants.js`);
  if (constants.DEFAULT_GC_INTERVAL_MS === undefined) throw new Error("this Azurite cannot be kept from collecting");
  constants.DEFAULT_GC_INTERVAL_MS = NEVER_MS;
}
