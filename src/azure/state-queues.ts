import type { TokenCredential } from "@azure/identity";
import { type QueueClient, QueueServiceClient, type StoragePipelineOptions } from "@azure/storage-queue";
import { mapping } from "./map-error.ts";

/** How to access the account where the host keeps the app's queues. */
export type QueueAccess =
  | { readonly kind: "key"; readonly connectionString: string }
  | { readonly kind: "identity"; readonly queueServiceUri: string; readonly credential: TokenCredential };

/** Short: queues are created early only as an optimization. */
const PIPELINE: StoragePipelineOptions = { retryOptions: { maxTries: 2, retryDelayInMs: 200 } };

/** The queues that the host polls; the app sends messages by output bindings only. */
export class StateQueues {
  readonly #service: QueueServiceClient;

  constructor(access: QueueAccess) {
    this.#service =
      access.kind === "key"
        ? QueueServiceClient.fromConnectionString(access.connectionString, PIPELINE)
        : new QueueServiceClient(access.queueServiceUri, access.credential, PIPELINE);
  }

  /**
   * Creates the missing queues, all at once. Safe to run twice, also concurrently: existing queues stay.
   *
   * @returns whether all exist
   */
  async make(names: readonly string[], timeoutMs: number): Promise<boolean> {
    const abortSignal = AbortSignal.timeout(timeoutMs);
    const made = await Promise.allSettled(names.map((name) => this.#queue(name).createIfNotExists({ abortSignal })));
    return made.every(({ status }) => status === "fulfilled");
  }

  /**
   * Checks whether the account answers, and accepts the app's identity.
   *
   * @throws VaultError like the tables; a queue that is not found is no error
   */
  async check(name: string): Promise<void> {
    await mapping({ kind: "state" }, () => this.#queue(name).exists());
  }

  #queue(name: string): QueueClient {
    return this.#service.getQueueClient(name);
  }
}
