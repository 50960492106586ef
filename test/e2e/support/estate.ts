/**
 * @module What an end-to-end test runs against: storage accounts, and the app on a Functions host. By default Azurite
 *   and the embedded host, started here; with `LAKEVAULT_E2E_URL` an external host, see `test/e2e/README.md`.
 */
import { fileURLToPath } from "node:url";
import { TableServiceClient } from "@azure/data-tables";
import { BlobServiceClient } from "@azure/storage-blob";
import { QueueServiceClient } from "@azure/storage-queue";
import { type Azurite, startAzurite } from "../../../local/azurite.ts";
import { type ArmClient, openArmClient } from "../../../local/demo/arm-client.ts";
import type { MovableTime } from "../../../local/host/testing/movable-time.ts";
import { startTestHost, type TestHost } from "../../../local/host/testing/test-host.ts";
import { LOCAL_ACCOUNTS, lakevaultSettings } from "../../../local/lakevault.ts";

const APP = fileURLToPath(new URL("../../..", import.meta.url));

type AccountName = (typeof LOCAL_ACCOUNTS)[number];

export interface Estate {
  readonly baseUrl: string;
  readonly api: ArmClient;
  blobs(account: AccountName): BlobServiceClient;
  /** The queues of the app's state account. */
  readonly queues: QueueServiceClient;
  /** The tables of the app's state account, which also holds those of the host. */
  readonly tables: TableServiceClient;
  /** Waits for the next line of the host's log that matches; undefined where the host is not ours. */
  readonly nextLine: ((pattern: RegExp) => Promise<string>) | undefined;
  /** Kills host and app at once and starts them again; undefined where the host is not ours. */
  readonly killAndRestart: ((whileDown?: () => Promise<void>) => Promise<void>) | undefined;
  /** Stops host and app like a deployment, and starts them again; undefined where the host is not ours. */
  readonly stopAndRestart: (() => Promise<void>) | undefined;
  /** Freezes or continues the app's process; undefined where the host is not ours. */
  readonly freeze: ((isFrozen: boolean) => void) | undefined;
  close(): Promise<void>;
}

/** A test's own app settings, computed when Azurite is running. */
type Changes = Readonly<Record<string, string>> | ((azurite: Azurite) => Promise<Readonly<Record<string, string>>>);

/** Whether the tests run against an external host. */
export const GIVEN_URL = process.env["LAKEVAULT_E2E_URL"];

/**
 * @param changes - the test's own app settings; an external host keeps its settings
 * @param time - clock of host, app and storage; an external host keeps the machine's
 * @param hostArguments - further arguments of `local/host/main.ts`, such as `--production`
 * @param onRequest - called with each line of Azurite's access log
 */
export async function openEstate(
  changes: Changes = {},
  time?: MovableTime,
  hostArguments: readonly string[] = [],
  onRequest?: (line: string) => void,
): Promise<Estate> {
  return GIVEN_URL === undefined ? ownEstate(changes, time, hostArguments, onRequest) : givenEstate(GIVEN_URL);
}

async function ownEstate(
  changes: Changes,
  time: MovableTime | undefined,
  hostArguments: readonly string[],
  onRequest: ((line: string) => void) | undefined,
): Promise<Estate> {
  const azurite = await startAzurite({
    accounts: LOCAL_ACCOUNTS,
    ...(onRequest !== undefined && { onRequest }),
    ...(time !== undefined && { nodeArguments: [time.nodeArgument] }),
  });
  const changed = typeof changes === "function" ? await changes(azurite) : changes;
  const settings = { ...lakevaultSettings(azurite), ...changed };
  const hostOptions = { app: APP, settings, arguments: hostArguments, ...(time !== undefined && { time }) };
  let host: TestHost;
  try {
    host = await startTestHost(hostOptions);
  } catch (error) {
    await azurite.stop();
    throw error;
  }
  const connection = (account: AccountName): string => azurite.account(account).connectionString;
  return {
    get baseUrl() {
      return host.baseUrl;
    },
    get api() {
      return openArmClient(host.baseUrl);
    },
    blobs: (account) => BlobServiceClient.fromConnectionString(connection(account)),
    queues: QueueServiceClient.fromConnectionString(connection("vaultstate")),
    tables: tableService(connection("vaultstate")),
    nextLine: (pattern) => host.nextLine(pattern),
    killAndRestart: async (whileDown) => {
      await host.kill();
      await whileDown?.();
      host = await startTestHost(hostOptions);
    },
    stopAndRestart: async () => {
      await host.stop();
      host = await startTestHost(hostOptions);
    },
    freeze: (isFrozen) => void process.kill(host.workerPid(), isFrozen ? "SIGSTOP" : "SIGCONT"),
    close: async () => {
      await host.stop();
      await azurite.stop();
    },
  };
}

async function givenEstate(baseUrl: string): Promise<Estate> {
  const connection = (account: AccountName): string => {
    const variable = `LAKEVAULT_E2E_${account.toUpperCase()}`;
    const value = process.env[variable];
    if (value === undefined) throw new Error(`${variable} is to be the connection string of account '${account}'`);
    return value;
  };
  return {
    baseUrl,
    api: openArmClient(baseUrl),
    blobs: (account) => BlobServiceClient.fromConnectionString(connection(account)),
    queues: QueueServiceClient.fromConnectionString(connection("vaultstate")),
    tables: tableService(connection("vaultstate")),
    nextLine: undefined,
    killAndRestart: undefined,
    stopAndRestart: undefined,
    freeze: undefined,
    close: async () => undefined,
  };
}

function tableService(connectionString: string): TableServiceClient {
  return TableServiceClient.fromConnectionString(connectionString, { allowInsecureConnection: true });
}
