/**
 * @module
 * The HTTP API of the Durable Functions extension: what `durable-functions` clients in the app call, and what callers
 * outside use for checking and steering orchestrations. Routes, status codes and bodies are the extension's.
 *
 * @see https://learn.microsoft.com/azure/azure-functions/durable/durable-functions-http-api
 */
import type { PlainRequest, PlainResponse } from "../protocol.ts";
import { newId } from "./episode.ts";
import { type ClientEvent, EventType, type HistoryEvent } from "./history.ts";
import { historyView, parsedOrText } from "./history-view.ts";
import { type InstancePage, type InstanceQuery, type InstanceRecord, isFinished, type RuntimeStatus } from "./store.ts";

/** What the API needs of the engine. */
export interface Orchestrations {
  timestamp(): string;
  refusalOf(name: string): string | undefined;
  startNew(name: string, instanceId: string, input: string | null, version: string): Promise<boolean>;
  send(instanceId: string, event: ClientEvent): Promise<"stored" | "unknown" | "finished">;
  find(instanceId: string): Promise<InstanceRecord | undefined>;
  history(instanceId: string): Promise<readonly HistoryEvent[]>;
  list(query: InstanceQuery): Promise<InstancePage>;
  purge(instanceId: string): Promise<"purged" | "unknown" | "unfinished">;
  whenFinished(instanceId: string, timeoutMs: number): Promise<void>;
}

/** What the addresses in answers are made of. */
export interface ApiAddress {
  readonly taskHubName: string;
  /** Key that outside callers show; empty for none. */
  readonly systemKey: () => string;
}

const WEBHOOK_PATH = "/runtime/webhooks/durabletask";
const MAX_INSTANCE_ID_LENGTH = 100;
const DEFAULT_PAGE_SIZE = 100;
const CONTINUATION_HEADER = "x-ms-continuation-token";
const STATUSES: readonly RuntimeStatus[] = ["Pending", "Running", "Suspended", "Completed", "Failed", "Terminated"];

export class DurableHttpApi {
  readonly #orchestrations: Orchestrations;
  readonly #address: ApiAddress;

  constructor(orchestrations: Orchestrations, address: ApiAddress) {
    this.#orchestrations = orchestrations;
    this.#address = address;
  }

  /** @param path - what follows the prefix of the API in the address, still percent-encoded */
  async handle(path: string, request: PlainRequest): Promise<PlainResponse> {
    let segments: string[];
    try {
      segments = decodeURIComponent(path.split("?")[0] ?? "")
        .replace(/^\/+|\/+$/g, "")
        .split("/");
    } catch {
      return problem(400, "The address is not correctly encoded");
    }
    try {
      return await this.#route(segments, request);
    } catch (error) {
      return problem(500, "Something went wrong while processing your request", messageOf(error));
    }
  }

  async #route(segments: readonly string[], request: PlainRequest): Promise<PlainResponse> {
    const [controller = "", first = "", operation = "", last = ""] = segments;
    const route = `${request.method.toUpperCase()} ${controller.toLowerCase()}`;
    if (segments.length > 4) return problem(404, "No such address; instance ids and event names must not contain '/'");
    if (controller.toLowerCase() === "entities") return notImplemented("Entities are");
    if (route === "POST orchestrators" && first !== "" && segments.length <= 3)
      return this.#start(first, operation, request);
    if (controller.toLowerCase() !== "instances") return empty(404);
    if (segments.length === 4) {
      const isRaise = route === "POST instances" && operation.toLowerCase() === "raiseevent" && last !== "";
      return isRaise ? this.#raiseEvent(first, last, request) : empty(404);
    }
    if (segments.length === 3) return route === "POST instances" ? this.#steer(first, operation, request) : empty(404);
    if (route === "GET instances") return first === "" ? this.#list(request) : this.#status(first, request);
    if (route === "DELETE instances") return first === "" ? this.#purgeMany(request) : this.#purge(first);
    return empty(404);
  }

  async #start(name: string, givenId: string, request: PlainRequest): Promise<PlainResponse> {
    const { searchParams } = request.url;
    const text = new TextDecoder().decode(request.body);
    if (text !== "" && !isJson(text)) return problem(400, "Invalid JSON content");
    const refusal = this.#orchestrations.refusalOf(name) ?? refusedId(givenId);
    if (refusal !== undefined) return problem(400, refusal);

    const instanceId = givenId === "" ? newId() : givenId;
    const version = searchParams.get("version") ?? "";
    if (!(await this.#orchestrations.startNew(name, instanceId, text === "" ? null : text, version))) {
      const detail = `An Orchestration instance with the status Running already exists.`;
      return problem(500, "Something went wrong while processing your request", detail);
    }
    const timeoutMs = seconds(searchParams.get("timeout"));
    const pollingMs = seconds(searchParams.get("pollingInterval"));
    if (timeoutMs !== undefined && pollingMs !== undefined) {
      await this.#orchestrations.whenFinished(instanceId, timeoutMs);
      const record = await this.#orchestrations.find(instanceId);
      if (record?.status === "Completed") return json(200, parsedOrText(record.output));
      if (record !== undefined && isFinished(record.status)) return this.#status(instanceId, request);
    }
    const links = this.managementUrls(instanceId, request.url.origin);
    return json(202, links, { Location: links.statusQueryGetUri, "Retry-After": "10" });
  }

  async #status(instanceId: string, request: PlainRequest): Promise<PlainResponse> {
    const query = request.url.searchParams;
    const record = await this.#orchestrations.find(instanceId);
    if (record === undefined) return empty(404);
    const events = isTrue(query.get("showHistory"))
      ? historyView(await this.#orchestrations.history(instanceId), isTrue(query.get("showHistoryOutput")))
      : undefined;
    const body = { ...statusBody(record, query.get("showInput")), ...(events && { historyEvents: events }) };
    if (!isFinished(record.status)) return json(202, body, { Location: request.url.href, "Retry-After": "5" });
    const isAnError = record.status === "Failed" && isTrue(query.get("returnInternalServerErrorOnFailure"));
    return json(isAnError ? 500 : 200, body);
  }

  async #list(request: PlainRequest): Promise<PlainResponse> {
    const query = request.url.searchParams;
    const top = Number.parseInt(query.get("top") ?? "", 10);
    const page = await this.#orchestrations.list({
      ...filters(query),
      idPrefix: query.get("instanceIdPrefix") ?? undefined,
      top: top > 0 ? top : DEFAULT_PAGE_SIZE,
      continuationToken: request.headers[CONTINUATION_HEADER] || undefined,
    });
    const statuses = page.instances.map(({ record }) => statusBody(record, query.get("showInput")));
    const { continuationToken } = page;
    return json(200, statuses, continuationToken === undefined ? {} : { [CONTINUATION_HEADER]: continuationToken });
  }

  async #raiseEvent(instanceId: string, name: string, request: PlainRequest): Promise<PlainResponse> {
    const record = await this.#orchestrations.find(instanceId);
    if (record === undefined) return empty(404);
    if (isFinished(record.status)) return empty(410);
    const contentType = request.headers["content-type"]?.split(";")[0]?.trim().toLowerCase();
    if (contentType !== "application/json") return problem(400, "Only application/json request content is supported");
    const text = new TextDecoder().decode(request.body);
    if (!isJson(text)) return problem(400, "Invalid JSON content");
    return this.#send(instanceId, {
      ...this.#clientEvent(EventType.EventRaised),
      Name: name,
      Input: text,
      MessageKey: "",
    });
  }

  async #steer(instanceId: string, operation: string, request: PlainRequest): Promise<PlainResponse> {
    const record = await this.#orchestrations.find(instanceId);
    const reason = request.url.searchParams.get("reason") ?? "";
    const verb = operation.toLowerCase();
    if (verb === "rewind" || verb === "restart") return notImplemented(`The ${verb} operation is`);
    if (verb !== "terminate" && verb !== "suspend" && verb !== "resume") return empty(404);
    if (record === undefined) return empty(404);
    if (isFinished(record.status)) return empty(410);
    switch (verb) {
      case "terminate":
        return this.#send(instanceId, { ...this.#clientEvent(EventType.ExecutionTerminated), Input: reason });
      case "suspend":
        if (record.status === "Suspended") return cannot("suspend", record);
        return this.#send(instanceId, { ...this.#clientEvent(EventType.ExecutionSuspended), Reason: reason });
      case "resume":
        if (record.status !== "Suspended") return cannot("resume", record);
        return this.#send(instanceId, { ...this.#clientEvent(EventType.ExecutionResumed), Reason: reason });
    }
  }

  async #send(instanceId: string, event: ClientEvent): Promise<PlainResponse> {
    const result = await this.#orchestrations.send(instanceId, event);
    return empty({ stored: 202, unknown: 404, finished: 410 }[result]);
  }

  #clientEvent<Type extends ClientEvent["EventType"]>(type: Type) {
    return { EventType: type, EventId: -1, Timestamp: this.#orchestrations.timestamp() };
  }

  async #purge(instanceId: string): Promise<PlainResponse> {
    switch (await this.#orchestrations.purge(instanceId)) {
      case "purged":
        return json(200, { instancesDeleted: 1 });
      case "unknown":
        return empty(404);
      case "unfinished": {
        const status = (await this.#orchestrations.find(instanceId))?.status;
        return problem(
          412,
          `Only orchestrations in a terminal state can be purged, but the orchestration with instance ID ${instanceId} has status ${status}`,
        );
      }
    }
  }

  async #purgeMany(request: PlainRequest): Promise<PlainResponse> {
    const query = filters(request.url.searchParams);
    if (query.createdFrom === undefined) return problem(400, "Please provide value for 'createdTimeFrom' parameter.");
    const statuses = (query.statuses ?? STATUSES).filter(isFinished);
    let instancesDeleted = 0;
    let continuationToken: string | undefined;
    do {
      const page = await this.#orchestrations.list({ ...query, statuses, top: DEFAULT_PAGE_SIZE, continuationToken });
      for (const { record } of page.instances) {
        if ((await this.#orchestrations.purge(record.instanceId)) === "purged") instancesDeleted += 1;
      }
      continuationToken = page.continuationToken;
    } while (continuationToken !== undefined);
    return instancesDeleted === 0 ? empty(404) : json(200, { instancesDeleted });
  }

  /** The addresses for following and steering one instance, as clients get them. */
  managementUrls(instanceId: string, origin: string) {
    const { systemKey, taskHubName } = this.#address;
    const code = systemKey();
    const suffix = `taskHub=${encodeURIComponent(taskHubName)}&connection=Storage${code === "" ? "" : `&code=${code}`}`;
    const instance = `${origin}${WEBHOOK_PATH}/instances/${encodeURIComponent(instanceId)}`;
    return {
      id: instanceId,
      statusQueryGetUri: `${instance}?${suffix}`,
      sendEventPostUri: `${instance}/raiseEvent/{eventName}?${suffix}`,
      terminatePostUri: `${instance}/terminate?reason={text}&${suffix}`,
      rewindPostUri: `${instance}/rewind?reason={text}&${suffix}`,
      purgeHistoryDeleteUri: `${instance}?${suffix}`,
      restartPostUri: `${instance}/restart?${suffix}`,
      suspendPostUri: `${instance}/suspend?reason={text}&${suffix}`,
      resumePostUri: `${instance}/resume?reason={text}&${suffix}`,
    };
  }

  /** The JSON text of a `durableClient` input binding. */
  clientBinding(origin: string): string {
    const { systemKey, taskHubName } = this.#address;
    const base = `${origin}${WEBHOOK_PATH}`;
    const start = `${base}/orchestrators/{functionName}[/{instanceId}]`;
    const code = systemKey() === "" ? "" : `code=${systemKey()}`;
    return JSON.stringify({
      taskHubName,
      creationUrls: {
        createNewInstancePostUri: `${start}?${code}`,
        createAndWaitOnNewInstancePostUri: `${start}?timeout={timeoutInSeconds}&pollingInterval={intervalInSeconds}&${code}`,
      },
      managementUrls: this.managementUrls("INSTANCEID", origin),
      baseUrl: base,
      requiredQueryStringParameters: code,
      rpcBaseUrl: `${origin}/durabletask/`,
    });
  }
}

function statusBody(record: InstanceRecord, showInput: string | null): Record<string, unknown> {
  return {
    name: record.name,
    instanceId: record.instanceId,
    runtimeStatus: record.status,
    input: showInput?.toLowerCase() === "false" ? null : parsedOrText(record.input),
    customStatus: parsedOrText(record.customStatus),
    output: parsedOrText(record.output),
    createdTime: wholeSeconds(record.createdAt),
    lastUpdatedTime: wholeSeconds(record.updatedAt),
  };
}

function wholeSeconds(timestamp: string): string {
  return `${timestamp.slice(0, 19)}Z`;
}

function filters(query: URLSearchParams): Pick<InstanceQuery, "createdFrom" | "createdTo" | "statuses"> {
  const wanted = query.getAll("runtimeStatus").flatMap((value) => value.split(","));
  const statuses = STATUSES.filter((status) => wanted.includes(status));
  return {
    createdFrom: dateOf(query.get("createdTimeFrom")),
    createdTo: dateOf(query.get("createdTimeTo")),
    statuses: statuses.length === 0 ? undefined : statuses,
  };
}

function dateOf(text: string | null): Date | undefined {
  const date = new Date(text ?? "");
  return Number.isNaN(date.getTime()) ? undefined : date;
}

function refusedId(instanceId: string): string | undefined {
  if (instanceId.startsWith("@")) return "Orchestration instance ids must not start with @.";
  if ([...instanceId].some((character) => "/\\#?".includes(character) || character < " ")) {
    return "Orchestration instance ids must not contain /, \\, #, ?, or control characters.";
  }
  if (instanceId.length > MAX_INSTANCE_ID_LENGTH) {
    return `Instance ID lengths must not exceed ${MAX_INSTANCE_ID_LENGTH} characters.`;
  }
  return undefined;
}

function seconds(text: string | null): number | undefined {
  const value = Number.parseFloat(text ?? "");
  return Number.isNaN(value) ? undefined : value * 1_000;
}

function isTrue(text: string | null): boolean {
  return text?.toLowerCase() === "true";
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function cannot(verb: string, { instanceId, status }: InstanceRecord): PlainResponse {
  const detail = `Cannot ${verb} orchestration instance ${instanceId} in the ${status} state.`;
  return problem(500, "Something went wrong while processing your request", detail);
}

function notImplemented(what: string): PlainResponse {
  return json(501, `${what} not supported by the embedded host, use Azure Functions Core Tools.`);
}

function problem(status: number, message: string, detail?: string): PlainResponse {
  return json(status, { Message: message, ...(detail !== undefined && { ExceptionMessage: detail }) });
}

function json(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): PlainResponse {
  return {
    status,
    headers: { "Content-Type": "application/json; charset=utf-8", ...headers },
    body: JSON.stringify(value),
  };
}

function empty(status: number): PlainResponse {
  return { status };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
