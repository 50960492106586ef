/**
 * @module
 * Runs an app inside this process, for tests that want no second one. Output bindings are not written.
 */

import { randomUUID } from "node:crypto";
import type { FunctionDefinition, Invoker } from "../protocol.ts";
import { loadApp } from "./app.ts";
import type { WorkerLogLine } from "./messages.ts";

/** An app and a way to run its functions. */
export interface InProcessApp {
  readonly functions: readonly FunctionDefinition[];
  readonly invoker: Invoker;
}

/**
 * Loads the app of a folder; a process can do so once.
 *
 * @param clientBinding - answers the JSON text of `durableClient` inputs
 */
export async function openInProcessApp(
  scriptRoot: string,
  clientBinding: () => string = () => "{}",
  emit: (line: WorkerLogLine) => void = () => undefined,
): Promise<InProcessApp> {
  const app = await loadApp(scriptRoot, emit);
  const functions = new Map(app.functions.map((definition) => [definition.name, definition]));
  return {
    functions: app.functions,
    invoker: {
      invoke: async (functionName, { triggerData, ...rest }) => {
        const definition = functions.get(functionName);
        if (definition === undefined) throw new Error(`the app has no function '${functionName}'`);
        const outcome = await app.invoke({
          invocationId: randomUUID(),
          functionName,
          inputData: [
            { name: definition.trigger.name, data: triggerData },
            ...definition.inputs.map(({ name }) => ({ name, data: { string: clientBinding() } })),
          ],
          ...rest,
        });
        if (!outcome.ok) return outcome;
        return { ok: true, ...(outcome.returnValue !== undefined && { returnValue: outcome.returnValue }) };
      },
    },
  };
}
