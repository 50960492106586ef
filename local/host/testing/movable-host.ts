/**
 * @module
 * Starts the embedded host with a clock whose time a test moves; `Date` itself is moved by `follow-movable-time.ts`,
 * which is preloaded. Whoever started this process says so before and after each move, and is answered when the host
 * has come to rest.
 */

import "../worker/compile-cache.ts";

const { openMovedClock } = await import("./moved-clock.ts");
const { runCommand } = await import("../command.ts");

const clock = openMovedClock();

async function answer(message: "moving" | "moved"): Promise<void> {
  await (message === "moving" ? clock.rest() : clock.lookAgain());
  process.send?.(message);
}

process.on("message", (message: "moving" | "moved") => void answer(message));
// The channel alone must keep nothing alive.
process.channel?.unref();
await runCommand(clock);
