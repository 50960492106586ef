import type { DurableClient, DurableOrchestrationStatus } from "durable-functions";
import type { Orchestrations } from "../jobs/orchestrations.ts";
import { cleanError } from "./clean-error.ts";

type Client = Pick<DurableClient, "getStatus" | "startNew" | "raiseEvent" | "terminate">;

/** Orchestrations of the Durable Functions extension, through the client that the host binds to a function. */
export class DurableOrchestrations implements Orchestrations {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  async startOnce(name: string, id: string, input: unknown): Promise<void> {
    // The extension refuses an id that is running, but would restart one that has ended.
    if ((await this.#status(id)) !== undefined) return;
    try {
      await this.#client.startNew(name, { instanceId: id, input });
    } catch (error) {
      // "An Orchestration instance with the status Pending already exists.": another start was faster.
      if ((await this.#status(id)) === undefined) throw cleanError(error);
    }
  }

  async raise(id: string, event: string, value: unknown): Promise<void> {
    try {
      await this.#client.raiseEvent(id, event, value ?? null);
    } catch (error) {
      // "No instance with ID '...' found." The client itself treats 410, an instance that has ended, as success.
      if (!/^No instance with ID/.test(messageOf(error))) throw cleanError(error);
    }
  }

  async terminate(id: string, reason: string): Promise<void> {
    try {
      await this.#client.terminate(id, reason);
    } catch (error) {
      if (!/^No instance with ID/.test(messageOf(error))) throw cleanError(error);
    }
  }

  async state(id: string): Promise<"running" | "ended" | "failed" | undefined> {
    const status: string | undefined = (await this.#status(id))?.runtimeStatus;
    switch (status) {
      case undefined:
        return undefined;
      case "Completed":
        return "ended";
      case "Failed":
      case "Terminated":
      case "Canceled":
        return "failed";
      default:
        return "running";
    }
  }

  async #status(id: string): Promise<DurableOrchestrationStatus | undefined> {
    try {
      return await this.#client.getStatus(id);
    } catch (error) {
      // The client has no other sign of an id that was never started.
      if (/HTTP 404 response/.test(messageOf(error))) return undefined;
      throw cleanError(error);
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
