/**
 * @module
 * `npm start`: Azurite and the app until interrupted. Data, account keys and host keys stay in `.lakevault/`.
 *
 * `npm start -- [--port N] [--production]`
 */
import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startAzurite } from "./azurite.ts";
import { DEFAULT_PORT, startHost } from "./host/index.ts";
import { LOCAL_ACCOUNTS, lakevaultSettings } from "./lakevault.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const FOLDER = join(ROOT, ".lakevault");

/** The default ports of Azurite. */
const AZURITE_PORTS = { blob: 10_000, queue: 10_001, table: 10_002 };

const { values } = parseArgs({
  options: { port: { type: "string", default: String(DEFAULT_PORT) }, production: { type: "boolean", default: false } },
});

/** Keys of the accounts: generated once, so that the data of the last run can be read again. */
async function accountKeys(): Promise<Record<string, string>> {
  const file = join(FOLDER, "azurite-accounts.json");
  try {
    return JSON.parse(await readFile(file, "utf8")) as Record<string, string>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const keys = Object.fromEntries(LOCAL_ACCOUNTS.map((name) => [name, randomBytes(64).toString("base64")]));
  await mkdir(FOLDER, { recursive: true });
  await writeFile(file, `${JSON.stringify(keys, undefined, 2)}\n`, { mode: 0o600 });
  return keys;
}

try {
  const azurite = await startAzurite({
    accounts: await accountKeys(),
    folder: join(FOLDER, "azurite"),
    ports: AZURITE_PORTS,
  });
  try {
    const host = await startHost({
      scriptRoot: ROOT,
      port: Number(values.port),
      production: values.production,
      environment: { ...process.env, ...lakevaultSettings(azurite) },
      stateFolder: FOLDER,
      writeLine: (line) => console.log(line),
    });
    for (const name of LOCAL_ACCOUNTS) console.log(`account '${name}': ${azurite.account(name).blobEndpoint}`);
    if (host.keys !== undefined) console.log(`host keys: ${join(FOLDER, "host-keys.json")}`);
    console.log(`account keys: ${join(FOLDER, "azurite-accounts.json")}`);
    console.log(`listening on ${host.baseUrl}; press Ctrl+C to end`);
    await new Promise<void>((end) => {
      process.once("SIGINT", () => end());
      process.once("SIGTERM", () => end());
    });
    await host.stop();
  } finally {
    await azurite.stop();
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
