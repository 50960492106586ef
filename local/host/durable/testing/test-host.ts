import type { DurableHost, HostClock, HostLog, Invoker, PlainResponse } from "../../protocol.ts";
import { openDurableHost } from "../engine.ts";
import type { DurableStore } from "../store.ts";
import type { ScriptedApp } from "./scripted-app.ts";
import { until } from "./test-clock.ts";

export interface TestHostOptions {
  readonly app: ScriptedApp;
  readonly store: DurableStore;
  readonly clock: HostClock;
  readonly invoker?: Invoker;
  readonly limits?: { readonly concurrentActivities: number; readonly concurrentOrchestrations: number };
}

export interface Status {
  readonly runtimeStatus: string;
  readonly input: unknown;
  readonly output: unknown;
  readonly customStatus: unknown;
  readonly createdTime: string;
  readonly lastUpdatedTime: string;
  readonly historyEvents?: readonly Record<string, unknown>[];
}

/** A durable host that is spoken to as clients do, without a server. */
export class TestHost {
  readonly durable: DurableHost;
  readonly log: string[] = [];

  constructor(options: TestHostOptions) {
    const write = (message: string): void => void this.log.push(message);
    const log: HostLog = { info: write, warn: write, error: write };
    this.durable = openDurableHost({
      functions: options.app.functions,
      invoker: options.invoker ?? options.app,
      connectionString: "",
      taskHubName: "TestHub",
      baseUrl: () => "http://127.0.0.1:7071",
      systemKey: () => "",
      clock: options.clock,
      log,
      limits: options.limits ?? { concurrentActivities: 10, concurrentOrchestrations: 10 },
      store: options.store,
    });
  }

  request(method: string, path: string, body?: string, headers: Record<string, string> = {}): Promise<PlainResponse> {
    return this.durable.handle(path.split("?")[0] ?? "", {
      method,
      url: new URL(`http://127.0.0.1:7071/durabletask/${path}`),
      headers: { ...(method === "POST" ? { "content-type": "application/json" } : {}), ...headers },
      body: Buffer.from(body ?? ""),
    });
  }

  async start(name: string, instanceId: string, input: unknown = ""): Promise<number> {
    return (await this.request("POST", `orchestrators/${name}/${instanceId}`, JSON.stringify(input))).status;
  }

  async raise(instanceId: string, name: string, value: unknown = null): Promise<number> {
    return (await this.request("POST", `instances/${instanceId}/raiseEvent/${name}`, JSON.stringify(value))).status;
  }

  async status(instanceId: string, query = ""): Promise<Status> {
    const response = await this.request("GET", `instances/${instanceId}${query}`);
    return JSON.parse(response.body ?? '{"runtimeStatus":"none"}');
  }

  /** Waits until the instance is finished, without moving time. */
  async finished(instanceId: string): Promise<Status> {
    await until(async () =>
      ["Completed", "Failed", "Terminated"].includes((await this.status(instanceId)).runtimeStatus),
    );
    return this.status(instanceId);
  }

  /** Waits until the instance has this custom status. */
  async reaches(instanceId: string, customStatus: unknown): Promise<void> {
    await until(async () => (await this.status(instanceId)).customStatus === customStatus);
  }
}
