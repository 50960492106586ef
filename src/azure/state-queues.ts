import type { TokenCredential } from "@azure/identity";
import { type QueueClient, QueueServiceClient, type StoragePipelineOptions } from "@azure/storage-queue";
import { mapping } from "./map-error.ts";

/** How the account is reached in which the host keeps the app's queues. */
export type QueueAccess =
  | { readonly kind: "key"; readonly connectionString: string }
  | { readonly kind: "identity"; readonly queueServiceUri: string; readonly credential: TokenCredential };

/** Short: nobody is to wait long for what is only made early. */
const PIPELINE: StoragePipelineOptions = { retryOptions: { maxTries: 2, retryDelayInMs: 200 } };

/** The queues that the host asks for messages; the app sends by output bindings, and so needs no more than this. */
export class StateQueues {
  readonly #service: QueueServiceClient;

  constructor(access: QueueAccess) {
    this.#service =
      access.kind === "key"
        ? QueueServiceClient.fromConnectionString(access.connectionString, PIPELINE)
        : new QueueServiceClient(access.queueServiceUri, access.credential, PIPELINE);
  }

  /**
   * Makes the queues that are missing, all at once. Safe to run twice, also at the same time: a queue that is there stays.
   *
   * @returns whether all are there
   */
  async make(names: readonly string[], timeoutMs: number): Promise<boolean> {
    const abortSignal = AbortSignal.timeout(timeoutMs);
    const made = await Promise.allSettled(names.map((name) => this.#queue(name).createIfNotExists({ abortSignal })));
    return made.every(({ status }) => status === "fulfilled");
  }

  /**
   * Asks whether the account answers, and lets the app in.
   *
   * @throws VaultError as for the tables; a queue that is not there is no error
   */
  async check(name: string): Promise<void> {
    await mapping({ kind: "state" }, () => this.#queue(name).exists());
  }

  #queue(name: string): QueueClient {
    return this.#service.getQueueClient(name);
  }
}
