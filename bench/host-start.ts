/**
 * @module Time from the start of the embedded host's process until every trigger of the app is active, on a running
 *   Azurite. `npm run bench:host-start`; the last line is JSON.
 */
import { fileURLToPath } from "node:url";
import { startAzurite } from "../local/azurite.ts";
import { startTestHost } from "../local/host/testing/test-host.ts";
import { LOCAL_ACCOUNTS, lakevaultSettings } from "../local/lakevault.ts";

const APP = fileURLToPath(new URL("..", import.meta.url));
const STARTS = 7;

const azurite = await startAzurite({ accounts: LOCAL_ACCOUNTS });
const startsMs: number[] = [];
try {
  for (let start = 0; start < STARTS; start++) {
    const host = await startTestHost({ app: APP, settings: lakevaultSettings(azurite) });
    startsMs.push(Math.round(host.startedInMs));
    await host.stop();
  }
} finally {
  await azurite.stop();
}
startsMs.sort((a, b) => a - b);
console.log(`${STARTS} starts: ${startsMs.join(", ")} ms`);
console.log(
  JSON.stringify({ host_start_ms_median: startsMs[Math.floor(STARTS / 2)], host_start_ms_worst: startsMs.at(-1) }),
);
