/**
 * @module
 * Runs functions for all triggers: adds the data of input bindings, enforces `functionTimeout`, writes outputs, logs.
 */

import { randomUUID } from "node:crypto";
import type { FunctionDefinition, InvocationRequest, InvocationResponse, Invoker, TypedData } from "../protocol.ts";
import { errorText, type WorkerOutcome } from "../worker/messages.ts";
import type { LogBook } from "./log.ts";
import type { WriteOutputs } from "./outputs.ts";
import { isType } from "./prepare-functions.ts";
import type { WorkerProcess } from "./worker-process.ts";

/** Result of an execution; `hasResult` is also true for a result that was streamed past the host. */
export type ExecutionResult = InvocationResponse & { readonly hasResult?: boolean };

export interface Executions extends Invoker {
  /** Like `invoke`, under an id of the caller's choice. */
  run(functionName: string, request: InvocationRequest, invocationId: string): Promise<ExecutionResult>;
}

export interface ExecutionOptions {
  readonly functions: readonly FunctionDefinition[];
  readonly worker: WorkerProcess;
  readonly writeOutputs: WriteOutputs;
  /** The JSON text of `durableClient` inputs. */
  readonly clientBinding: () => string;
  readonly timeoutMs?: number;
  readonly log: LogBook;
}

export function openExecutions(options: ExecutionOptions): Executions {
  const functions = new Map(options.functions.map((definition) => [definition.name, definition]));

  const runOnce = async (
    definition: FunctionDefinition,
    request: InvocationRequest,
    invocationId: string,
  ): Promise<ExecutionResult> => {
    const { triggerData, ...rest } = request;
    const clientInputs = definition.inputs
      .filter((binding) => isType(binding, "durableClient"))
      .map(({ name }): { name: string; data: TypedData } => ({ name, data: { string: options.clientBinding() } }));
    const outcome: WorkerOutcome = await options.worker.invoke(
      {
        invocationId,
        functionName: definition.name,
        inputData: [{ name: definition.trigger.name, data: triggerData }, ...clientInputs],
        ...rest,
      },
      options.timeoutMs,
    );
    if (!outcome.ok) return outcome;
    await options.writeOutputs(definition, outcome, request.triggerMetadata ?? {});
    const { hasResult } = outcome;
    return { ok: true, hasResult, ...(outcome.returnValue !== undefined && { returnValue: outcome.returnValue }) };
  };

  const run: Executions["run"] = async (functionName, request, invocationId) => {
    const definition = functions.get(functionName);
    if (definition === undefined) {
      return { ok: false, error: errorText(new Error(`there is no function '${functionName}'`)) };
    }
    const log = options.log.category(`Function.${functionName}`);
    const begunAt = performance.now();
    const response = await runOnce(definition, request, invocationId).catch(
      (error: unknown): ExecutionResult => ({ ok: false, error: errorText(error) }),
    );

    const took = `${Math.round(performance.now() - begunAt)} ms`;
    // Requests have a line of their own, and orchestrations many executions for one event.
    const isEvent = isType(definition.trigger, "queueTrigger") || isType(definition.trigger, "timerTrigger");
    if (response.ok) log.at(isEvent ? "information" : "debug", `${functionName} done in ${took}`);
    // A replay that ends in an error is the orchestrator's way to report state; the durable side judges it.
    else if (isType(definition.trigger, "orchestrationTrigger")) log.debug(`${functionName} threw after ${took}`);
    else log.error(`${functionName} failed after ${took}: ${response.error.stack || response.error.message}`);
    return response;
  };

  return { run, invoke: (functionName, request) => run(functionName, request, randomUUID()) };
}
