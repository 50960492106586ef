/**
 * @module
 * Output bindings: writes to queues, blobs and tables what a function returned or put in `context.extraOutputs`.
 */

import { randomUUID } from "node:crypto";
import type { BindingDefinition, FunctionDefinition, TypedData } from "../protocol.ts";
import type { WorkerOutcome } from "../worker/messages.ts";
import { isType } from "./prepare-functions.ts";
import { isObject } from "./settings.ts";
import type { Storage } from "./storage.ts";
import { statusOf } from "./storage-error.ts";

export interface OutputOptions {
  readonly storage: Storage;
  /** Finds the connection string of a binding. */
  readonly connect: (binding: BindingDefinition) => string;
  readonly messageEncoding: "base64" | "none";
  /** Called for each queue that got messages. */
  readonly onQueued: (connectionString: string, queueName: string) => void;
}

/** Writes the outputs of one execution; fails when one of them fails. */
export type WriteOutputs = (
  definition: FunctionDefinition,
  outcome: Extract<WorkerOutcome, { ok: true }>,
  triggerMetadata: Readonly<Record<string, TypedData>>,
) => Promise<void>;

export function openOutputs(options: OutputOptions): WriteOutputs {
  return async (definition, outcome, triggerMetadata) => {
    for (const binding of definition.outputs) {
      const data =
        binding.name === "$return"
          ? outcome.returnValue
          : outcome.outputData.find((output) => output.name === binding.name)?.data;
      if (data === undefined || isType(binding, "http")) continue;
      try {
        await writeOutput(options, binding, data, triggerMetadata);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new Error(`output ${binding.type} of function '${definition.name}' could not be written: ${reason}`, {
          cause: error,
        });
      }
    }
  };
}

async function writeOutput(
  options: OutputOptions,
  binding: BindingDefinition,
  data: TypedData,
  triggerMetadata: Readonly<Record<string, TypedData>>,
): Promise<void> {
  const connectionString = options.connect(binding);
  const fill = (option: string): string => fillExpressions(String(binding[option] ?? ""), triggerMetadata);
  switch (binding.type.toLowerCase()) {
    case "queue": {
      const queueName = fill("queueName").toLowerCase();
      const queue = options.storage.queue(connectionString, queueName);
      for (const message of toMessages(data)) {
        const text =
          options.messageEncoding === "base64" ? Buffer.from(message).toString("base64") : message.toString();
        await withContainer(
          () => queue.sendMessage(text),
          () => queue.createIfNotExists(),
        );
      }
      options.onQueued(connectionString, queueName);
      return;
    }
    case "blob": {
      const path = fill("path");
      const slash = path.indexOf("/");
      if (slash <= 0) throw new Error(`the path '${path}' must be 'container/name'`);
      const service = await options.storage.blobs(connectionString);
      const container = service.getContainerClient(path.slice(0, slash));
      const content = toBytes(data);
      await withContainer(
        () => container.getBlockBlobClient(path.slice(slash + 1)).uploadData(content),
        () => container.createIfNotExists(),
      );
      return;
    }
    case "table": {
      const table = options.storage.table(connectionString, fill("tableName"));
      for (const entity of toEntities(data, binding)) {
        await withContainer(
          () => table.createEntity(entity),
          () => table.createTable(),
        );
      }
      return;
    }
    default:
      throw new Error(`no output of type '${binding.type}' is known`);
  }
}

/** Writes; if the container is missing, creates it and writes again. */
async function withContainer(write: () => Promise<unknown>, create: () => Promise<unknown>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (statusOf(error) !== 404) throw error;
    await create();
    await write();
  }
}

/** Cuts a queue output into messages: an array gives one each, also when it came as JSON text. */
export function toMessages(data: TypedData): Buffer[] {
  if (data.bytes !== undefined) return [Buffer.from(data.bytes)];
  const text = toText(data);
  const elements = parseArray(text);
  if (elements === undefined) return [Buffer.from(text)];
  return elements.map((element) => Buffer.from(typeof element === "string" ? element : JSON.stringify(element)));
}

function parseArray(text: string): unknown[] | undefined {
  if (!/^\s*\[/.test(text)) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function toText(data: TypedData): string {
  return data.string ?? data.json ?? String(data.int ?? data.double ?? "");
}

function toBytes(data: TypedData): Buffer {
  return data.bytes !== undefined ? Buffer.from(data.bytes) : Buffer.from(toText(data));
}

type Entity = { partitionKey: string; rowKey: string } & Record<string, unknown>;

function toEntities(data: TypedData, binding: BindingDefinition): Entity[] {
  const value: unknown = JSON.parse(toText(data));
  return (Array.isArray(value) ? value : [value]).map((row: unknown) => {
    if (!isObject(row)) throw new Error("a table output must be an object or an array of objects");
    const { PartitionKey, RowKey, partitionKey, rowKey, ...properties } = row;
    const partition = PartitionKey ?? partitionKey ?? binding["partitionKey"];
    const key = RowKey ?? rowKey ?? binding["rowKey"];
    if (typeof partition !== "string" || typeof key !== "string") {
      throw new Error("a table output needs PartitionKey and RowKey");
    }
    return { ...properties, partitionKey: partition, rowKey: key };
  });
}

/** Fills `{rand-guid}`, `{DateTime}` and the names of trigger metadata into a binding's option. */
export function fillExpressions(template: string, triggerMetadata: Readonly<Record<string, TypedData>>): string {
  const values = new Map(Object.entries(triggerMetadata).map(([name, data]) => [name.toLowerCase(), toText(data)]));
  return template.replaceAll(/\{([\w-]+)\}/g, (_, name: string) => {
    if (name === "rand-guid") return randomUUID();
    if (name === "DateTime") return new Date().toISOString().replace(/\.\d+Z$/, "Z");
    const value = values.get(name.toLowerCase());
    if (value === undefined) throw new Error(`'{${name}}' in '${template}' has no value here`);
    return value;
  });
}
