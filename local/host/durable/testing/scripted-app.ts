import { createRequire } from "node:module";
import type * as df from "durable-functions";
import type { FunctionDefinition, InvocationRequest, InvocationResponse, Invoker, TypedData } from "../../protocol.ts";
import { toFunctionDefinition } from "../../worker/app.ts";
import { installCoreApi, Registry } from "../../worker/core-api.ts";
import { errorText } from "../../worker/messages.ts";
import { type OrchestratorState, parseOrchestratorState } from "../orchestrator-payload.ts";

const registry = new Registry();
installCoreApi(registry, () => undefined);
const library: typeof df = createRequire(import.meta.url)("durable-functions");

export type OrchestratorBody = (context: df.OrchestrationContext) => Generator<df.Task, unknown, unknown>;
/** What the library makes of an orchestrator: payload of the host in, state out. */
export type LibraryOrchestrator = (trigger: unknown, context: object) => Promise<unknown>;
export type ActivityBody = (input: unknown, call: { readonly instanceId: string }) => unknown;

let made = 0;

/**
 * A function app made of bodies in a test. Orchestrators run in the real library, so that its numbering of tasks meets
 * the host's; activities are called as they are.
 */
export class ScriptedApp implements Invoker {
  readonly functions: FunctionDefinition[] = [];
  /** Names of the functions in the order of their executions, orchestrators included. */
  readonly executions: string[] = [];
  readonly #orchestrators = new Map<string, LibraryOrchestrator>();
  readonly #activities = new Map<string, ActivityBody>();

  /** @param registered - orchestrators that the files of an app have registered themselves, by their names */
  constructor(
    orchestrators: Readonly<Record<string, OrchestratorBody>>,
    activities: Readonly<Record<string, ActivityBody>> = {},
    registered: readonly string[] = [],
  ) {
    for (const [name, body] of Object.entries(orchestrators)) this.#orchestrators.set(name, libraryOrchestrator(body));
    for (const name of registered) this.#orchestrators.set(name, registeredOrchestrator(name));
    for (const name of this.#orchestrators.keys()) this.functions.push(definition(name, "orchestrationTrigger"));
    for (const [name, body] of Object.entries(activities)) {
      this.#activities.set(name, body);
      this.functions.push(definition(name, "activityTrigger"));
    }
  }

  count(name: string): number {
    return this.executions.filter((execution) => execution === name).length;
  }

  async invoke(name: string, request: InvocationRequest): Promise<InvocationResponse> {
    this.executions.push(name);
    try {
      const trigger = request.triggerData.string === undefined ? undefined : JSON.parse(request.triggerData.string);
      const orchestrator = this.#orchestrators.get(name);
      if (orchestrator !== undefined) {
        return { ok: true, returnValue: { json: JSON.stringify(await orchestrator(trigger, {})) } };
      }
      const activity = this.#activities.get(name);
      if (activity === undefined) throw new Error(`there is no function '${name}'`);
      const instanceId = request.triggerMetadata?.["instanceId"]?.string ?? "";
      return { ok: true, ...returned(await activity(trigger, { instanceId })) };
    } catch (thrown) {
      return { ok: false, error: errorText(thrown) };
    }
  }
}

/** Registers an orchestrator with the real library and gives what the library makes of it. */
export function libraryOrchestrator(body: OrchestratorBody): LibraryOrchestrator {
  made += 1;
  const name = `orchestrator${made}`;
  library.app.orchestration(name, body as df.OrchestrationHandler);
  return registeredOrchestrator(name);
}

/**
 * Gives an orchestrator that the library has registered in this process: any file that does so may be imported after
 * this one.
 *
 * @throws Error when there is none of this name
 */
export function registeredOrchestrator(name: string): LibraryOrchestrator {
  const callback = registry.functions.get(name)?.callback;
  if (callback === undefined) throw new Error(`the library has not registered the orchestrator '${name}'`);
  return async (trigger, context) => callback(trigger, context);
}

/** All functions that were registered in this process so far. */
export function registeredFunctions(): FunctionDefinition[] {
  return [...registry.functions.values()].map(({ metadata }) => toFunctionDefinition(metadata));
}

/** Gives an orchestrator the host's payload, and reads its answer as the host does. */
export async function stateOf(orchestrator: LibraryOrchestrator, payload: unknown): Promise<OrchestratorState> {
  const answer = await orchestrator(payload, {}).then(
    (value) => ({ ok: true as const, returnValue: { json: JSON.stringify(value) } }),
    (thrown: unknown) => ({ ok: false as const, error: errorText(thrown) }),
  );
  return parseOrchestratorState(answer);
}

export const { RetryOptions } = library;

function returned(value: unknown): { returnValue?: TypedData } {
  if (value === undefined || value === null) return {};
  return { returnValue: typeof value === "string" ? { string: value } : { json: JSON.stringify(value) } };
}

function definition(name: string, type: string): FunctionDefinition {
  return { name, trigger: { name: type, type, direction: "in" }, inputs: [], outputs: [] };
}
