/**
 * @module
 * The triggers that the host itself watches: timers and queues.
 */

import type { FunctionDefinition, HostClock } from "../protocol.ts";
import { DEFAULT_CONNECTION, resolveConnection } from "./connections.ts";
import type { Executions } from "./executions.ts";
import type { HostConfig } from "./host-config.ts";
import type { LogBook } from "./log.ts";
import { connectionOf, isType } from "./prepare-functions.ts";
import { openQueueListener, type QueueListener } from "./queue-listener.ts";
import { developmentPace, productionPace } from "./queue-pace.ts";
import { parseSchedule } from "./schedule.ts";
import type { Settings } from "./settings.ts";
import type { Storage } from "./storage.ts";
import { openTimer, type Timer } from "./timer.ts";
import { openTimerTable, TIMER_TABLE } from "./timer-table.ts";

export interface Triggers {
  start(): Promise<void>;
  /** Begins nothing new. */
  stop(): Promise<void>;
  /** Waits for running timers and messages. */
  drain(): Promise<void>;
  /** Makes the listener of a queue poll at once, because there are new messages. */
  wake(connectionString: string, queueName: string): void;
  /** Runs a timer function now, in its turn. */
  runTimer(functionName: string): Promise<void>;
}

export interface TriggerOptions {
  readonly functions: readonly FunctionDefinition[];
  readonly config: HostConfig;
  readonly settings: Settings;
  readonly executions: Executions;
  readonly storage: Storage;
  readonly clock: HostClock;
  /** Asks queues as the real host does. */
  readonly isProduction: boolean;
  readonly log: LogBook;
}

const POISON = "-poison";

export async function openTriggers(options: TriggerOptions): Promise<Triggers> {
  const timers = await openTimers(options);
  const listeners = new Map<string, QueueListener[]>();
  const wake: Triggers["wake"] = (connectionString, queueName) => {
    for (const listener of listeners.get(queueId(connectionString, queueName)) ?? []) listener.wake();
  };
  openListeners(options, listeners, wake);
  const all = [...timers.values(), ...[...listeners.values()].flat()];
  return {
    start: async () => void (await Promise.all(all.map((trigger) => trigger.start()))),
    stop: async () => void (await Promise.all(all.map((trigger) => trigger.stop()))),
    drain: async () => void (await Promise.all(all.map((trigger) => trigger.drain()))),
    wake,
    runTimer: async (functionName) => timers.get(functionName)?.runNow(),
  };
}

async function openTimers(options: TriggerOptions): Promise<Map<string, Timer>> {
  const definitions = options.functions.filter(({ trigger }) => isType(trigger, "timerTrigger"));
  if (definitions.length === 0) return new Map();

  const connectionString = resolveConnection(options.settings, DEFAULT_CONNECTION, "a timer");
  const table = options.storage.table(connectionString, TIMER_TABLE);
  const statuses = await openTimerTable(table, options.config.durableTask.hubName);
  const timeZone = options.settings.get("WEBSITE_TIME_ZONE");
  return new Map(
    definitions.map((definition) => [
      definition.name,
      openTimer({
        definition,
        schedule: parseSchedule(String(definition.trigger["schedule"]), timeZone),
        statuses,
        clock: options.clock,
        invoke: (request) => options.executions.invoke(definition.name, request),
        log: options.log.category(`Function.${definition.name}`),
      }),
    ]),
  );
}

/** Several functions may listen to one queue; they share its messages. */
function openListeners(options: TriggerOptions, listeners: Map<string, QueueListener[]>, wake: Triggers["wake"]): void {
  const { maxPollingIntervalMs } = options.config.queues;
  const pace = options.isProduction ? productionPace(maxPollingIntervalMs) : developmentPace(maxPollingIntervalMs);
  for (const { name, trigger } of options.functions) {
    if (!isType(trigger, "queueTrigger")) continue;
    const connectionString = resolveConnection(options.settings, connectionOf(trigger), `function '${name}'`);
    const queueName = String(trigger["queueName"]);
    const listener = openQueueListener({
      functionName: name,
      queue: options.storage.queue(connectionString, queueName),
      // As on the real host, a message that a poison queue's own function cannot process stays there.
      ...(!queueName.endsWith(POISON) && { poisonQueue: options.storage.queue(connectionString, queueName + POISON) }),
      pace,
      onPoisoned: () => wake(connectionString, queueName + POISON),
      config: options.config.queues,
      clock: options.clock,
      invoke: (triggerData, triggerMetadata) => options.executions.invoke(name, { triggerData, triggerMetadata }),
      log: options.log.category(`Function.${name}`),
    });
    const id = queueId(connectionString, queueName);
    listeners.set(id, [...(listeners.get(id) ?? []), listener]);
  }
}

function queueId(connectionString: string, queueName: string): string {
  return `${connectionString}\n${queueName}`;
}
