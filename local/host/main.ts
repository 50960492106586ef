/**
 * @module
 * Starts the embedded Functions host from the command line.
 */

import "./worker/compile-cache.ts";

// Not imported statically: it would be compiled before the cache is there.
const { runCommand } = await import("./command.ts");
await runCommand();
