/**
 * @module
 * The embedded host starts while answers of its storage account are cut.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, test } from "vitest";
import { type Azurite, startAzurite } from "../../local/azurite.ts";
import { startHost } from "../../local/host/index.ts";
import { allTriggersSettings, appFolder } from "../../local/host/testing/fixtures.ts";
import { type FaultyProxy, startFaultyProxy } from "../support/faulty-proxy.ts";

let azurite: Azurite;
let wires: Record<"blob" | "queue" | "table", FaultyProxy>;

beforeAll(async () => {
  azurite = await startAzurite({ accounts: ["one"] });
  const { blobEndpoint, queueEndpoint, tableEndpoint } = azurite.account("one");
  const [blob, queue, table] = await Promise.all(
    [blobEndpoint, queueEndpoint, tableEndpoint].map((endpoint) => startFaultyProxy(new URL(endpoint).origin)),
  );
  if (blob === undefined || queue === undefined || table === undefined) throw new Error("a proxy is missing");
  wires = { blob, queue, table };
});
afterAll(async () => {
  await Promise.all(Object.values(wires ?? {}).map((wire) => wire.stop()));
  await azurite.stop();
});

test.for([
  ["table", 4],
  ["blob", 1],
  ["queue", 1],
] as const)(
  "the host starts though the first answers of its %ss are cut",
  { timeout: 120_000 },
  async ([service, times], { expect }) => {
    const account = azurite.account("one");
    const connectionString = (["blob", "queue", "table"] as const).reduce(
      (text, name) => text.replace(account[`${name}Endpoint`], `${wires[name].origin}/one`),
      account.connectionString,
    );
    const start = async (): Promise<void> => {
      const stateFolder = await mkdtemp(join(tmpdir(), "host-state-"));
      try {
        const host = await startHost({
          ...{ scriptRoot: appFolder("all-triggers"), port: 0, stateFolder, writeLine: () => undefined },
          environment: {
            ...{ PATH: process.env["PATH"], HOME: process.env["HOME"] },
            ...allTriggersSettings({ ...account, connectionString }),
          },
        });
        await host.stop();
      } finally {
        await rm(stateFolder, { recursive: true });
      }
    };
    // For an existing resource the answer has a body.
    await start();
    let cuts = 0;
    wires[service].fault = () => (cuts++ < times ? "cut" : undefined);
    await start();
    wires[service].fault = () => undefined;
    expect(cuts).toBeGreaterThan(times);
  },
);
