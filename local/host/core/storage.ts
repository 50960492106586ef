/**
 * @module
 * Clients of the storage accounts that the app's bindings name, made once for each account.
 */

import { type TableClient, TableServiceClient, TableClient as Tables } from "@azure/data-tables";
import type { BlobServiceClient } from "@azure/storage-blob";
import { type QueueClient, QueueServiceClient } from "@azure/storage-queue";
import { READ_AGAIN_WHEN_CUT } from "../durable/cut-answers.ts";
import { describeConnection } from "./connections.ts";
import { HostStartError } from "./start-error.ts";

/** Short, because the store is on the same machine: what does not answer at once is not there. */
const QUEUE_RETRY = { maxTries: 3, retryDelayInMs: 100, maxRetryDelayInMs: 500 };
const TABLE_RETRY = { maxRetries: 2, retryDelayInMs: 100, maxRetryDelayInMs: 500 };

export interface Storage {
  queue(connectionString: string, name: string): QueueClient;
  table(connectionString: string, name: string): TableClient;
  blobs(connectionString: string): Promise<BlobServiceClient>;
  /**
   * Makes sure that an account answers.
   *
   * @throws HostStartError when it does not
   */
  check(connectionString: string): Promise<void>;
}

/** Opens no connection yet. */
export function openStorage(): Storage {
  const queueServices = new Map<string, QueueServiceClient>();
  const blobServices = new Map<string, Promise<BlobServiceClient>>();
  const queues = new Map<string, QueueClient>();
  const tables = new Map<string, TableClient>();

  return {
    queue: (connectionString, name) =>
      cached(queues, `${connectionString}\n${name}`, () =>
        cached(queueServices, connectionString, () =>
          QueueServiceClient.fromConnectionString(connectionString, { retryOptions: QUEUE_RETRY }),
        ).getQueueClient(name),
      ),
    table: (connectionString, name) =>
      cached(tables, `${connectionString}\n${name}`, () =>
        Tables.fromConnectionString(connectionString, name, {
          allowInsecureConnection: true,
          retryOptions: TABLE_RETRY,
          additionalPolicies: [READ_AGAIN_WHEN_CUT],
        }),
      ),
    blobs: (connectionString) =>
      cached(blobServices, connectionString, async () => {
        // Few apps have blob outputs, and the package takes a fifth of a second to load.
        const { BlobServiceClient } = await import("@azure/storage-blob");
        return BlobServiceClient.fromConnectionString(connectionString, { retryOptions: QUEUE_RETRY });
      }),
    check: async (connectionString) => {
      const what = describeConnection(connectionString);
      let service: TableServiceClient;
      try {
        service = TableServiceClient.fromConnectionString(connectionString, {
          allowInsecureConnection: true,
          retryOptions: TABLE_RETRY,
          additionalPolicies: [READ_AGAIN_WHEN_CUT],
        });
      } catch (error) {
        throw new HostStartError(`the connection string of ${what} cannot be read: ${firstLine(error)}`);
      }
      try {
        await service.listTables().byPage({ maxPageSize: 1 }).next();
      } catch (error) {
        throw new HostStartError(
          `${what} does not answer (${firstLine(error)}): is Azurite running, and does it have this account?`,
        );
      }
    },
  };
}

function firstLine(error: unknown): string {
  return error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
}

function cached<T>(map: Map<string, T>, key: string, make: () => T): T {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
