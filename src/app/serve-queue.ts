/**
 * @module
 * Failures of queue functions. A permanent failure ends the message's job at once; a retryable one is thrown, so that
 * the host delivers the message again. After the last attempt it is in the poison queue, whose function fails the job
 * too.
 */
import type { InvocationContext } from "@azure/functions";
import { getClient } from "durable-functions";
import type { z } from "zod";
import { cleanError, withoutSecrets } from "../azure/clean-error.ts";
import { DurableOrchestrations } from "../azure/durable-orchestrations.ts";
import { FUNCTION_TIME_MS, withinTime } from "../azure/function-time.ts";
import { type Failure, toFailure, VaultError } from "../foundation/errors.ts";
import { FAILED_EVENT } from "../foundation/flow.ts";
import { JobRef } from "../jobs/job-ref.ts";
import type { Orchestrations } from "../jobs/orchestrations.ts";
import { type RaiseEventDeps, raiseEvent } from "../jobs/raise-event.ts";
import { app } from "./app.ts";
import { withHeartbeat } from "./with-heartbeat.ts";

/** Max deliveries of a message; the same as `maxDequeueCount` in `host.json`. */
export const MAX_DEQUEUE_COUNT = 5;

/** @param context - of a function with the durable client among its inputs */
export function orchestrationsOf(context: InvocationContext): Orchestrations {
  return new DurableOrchestrations(getClient(context));
}

/** Dependencies for raising an event to a job's orchestration. */
export function raisingOf(context: InvocationContext): RaiseEventDeps {
  return { jobs: app().jobs, orchestrations: orchestrationsOf(context) };
}

/** Wraps the body of a queue function in a handler for the host. */
export function serveQueue<Message extends JobRef>(
  schema: z.ZodType<Message>,
  body: (message: Message, context: InvocationContext) => Promise<void>,
  raising: (context: InvocationContext) => RaiseEventDeps = raisingOf,
  atWork: typeof withHeartbeat = withHeartbeat,
): (message: unknown, context: InvocationContext) => Promise<void> {
  return async (entry, context) => {
    const message = schema.parse(entry);
    try {
      await withinTime(FUNCTION_TIME_MS, () => atWork(message.job, () => body(message, context)));
    } catch (error) {
      const isLasting = error instanceof VaultError && !error.retryable;
      if (!isLasting) context.error(`message of job '${message.job}'`, cleanError(error));
      if (isLasting || isLastDelivery(context)) await failJob(raising(context), message, toFailure(error));
      if (!isLasting) throw cleanError(error);
    }
  };
}

function isLastDelivery({ triggerMetadata }: InvocationContext): boolean {
  return Number(triggerMetadata?.["dequeueCount"] ?? 0) >= MAX_DEQUEUE_COUNT;
}

/** Fails the job of a poison message. Safe to run twice: a job fails once. */
export function servePoison(
  queueName: string,
  raising: (context: InvocationContext) => RaiseEventDeps = raisingOf,
): (message: unknown, context: InvocationContext) => Promise<void> {
  return async (entry, context) => {
    const message = JobRef.safeParse(entry);
    if (!message.success) {
      context.error("a poison message has no job", cleanError(message.error));
      return;
    }
    context.error(`a message of job '${message.data.job}' is in the poison queue`);
    await failJob(raising(context), message.data, {
      code: "message/poisoned",
      message: `a message of queue '${queueName}' failed ${MAX_DEQUEUE_COUNT} times`,
      hint: "check the app's log for its failures, then start the job again",
    });
  };
}

async function failJob(deps: RaiseEventDeps, ref: JobRef, failure: Failure): Promise<void> {
  await raiseEvent(deps, ref, FAILED_EVENT, { ...failure, message: withoutSecrets(failure.message) });
}
