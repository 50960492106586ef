/**
 * @module
 * Checks what an app registered against what this host can do, before anything runs.
 */

import type { BindingDefinition, FunctionDefinition } from "../protocol.ts";
import { DEFAULT_CONNECTION, resolveConnection } from "./connections.ts";
import type { HostConfig } from "./host-config.ts";
import { parseRoute } from "./routes.ts";
import { parseSchedule } from "./schedule.ts";
import type { Settings } from "./settings.ts";
import { HostStartError, USE_CORE_TOOLS } from "./start-error.ts";

const QUEUE_NAME = /^[a-z0-9](?:-?[a-z0-9]){2,62}$/;

type Check = (binding: BindingDefinition, settings: Settings, wantedBy: string) => void;

const needsConnection: Check = (binding, settings, wantedBy) => {
  resolveConnection(settings, connectionOf(binding), wantedBy);
};

const TRIGGERS: Readonly<Record<string, Check>> = {
  httptrigger: (binding, _settings, wantedBy) => {
    try {
      parseRoute(String(binding["route"] ?? ""));
    } catch (error) {
      throw new HostStartError(`${wantedBy}: ${error instanceof Error ? error.message : String(error)}`);
    }
  },
  timertrigger: (binding, settings, wantedBy) => {
    resolveConnection(settings, DEFAULT_CONNECTION, wantedBy);
    try {
      parseSchedule(String(binding["schedule"] ?? ""));
    } catch (error) {
      throw new HostStartError(`${wantedBy}: ${error instanceof Error ? error.message : String(error)}`);
    }
  },
  queuetrigger: (binding, settings, wantedBy) => {
    const queueName = String(binding["queueName"] ?? "");
    if (!QUEUE_NAME.test(queueName)) {
      throw new HostStartError(
        `${wantedBy}: '${queueName}' is no name of a queue (3 to 63 letters, digits and single hyphens)`,
      );
    }
    needsConnection(binding, settings, wantedBy);
  },
  orchestrationtrigger: () => undefined,
  activitytrigger: () => undefined,
  manualtrigger: () => undefined,
};

const INPUTS: Readonly<Record<string, Check>> = { durableclient: () => undefined };

const OUTPUTS: Readonly<Record<string, Check>> = {
  http: () => undefined,
  queue: needsConnection,
  blob: needsConnection,
  table: needsConnection,
};

/**
 * Resolves the `%settings%` of all bindings and refuses what this host cannot run.
 *
 * @returns the functions to run, without those that settings or `host.json` switch off
 * @throws HostStartError listing every function and binding at fault
 */
export function prepareFunctions(
  functions: readonly FunctionDefinition[],
  config: HostConfig,
  settings: Settings,
): FunctionDefinition[] {
  const problems: string[] = [];
  const prepared = functions
    .filter((definition) => isEnabled(definition.name, config, settings))
    .map((definition) => {
      const resolve = (binding: BindingDefinition, checks: Readonly<Record<string, Check>>): BindingDefinition => {
        const wantedBy = `function '${definition.name}': its ${binding.type} binding`;
        try {
          refuseModes(binding, wantedBy);
          const check = checks[binding.type.toLowerCase()];
          if (check === undefined) {
            throw new HostStartError(`${wantedBy} is not supported by this host: ${USE_CORE_TOOLS}`);
          }
          const resolved = expandOptions(binding, settings, wantedBy);
          check(resolved, settings, wantedBy);
          return resolved;
        } catch (error) {
          if (!(error instanceof HostStartError)) throw error;
          problems.push(error.message);
          return binding;
        }
      };
      return {
        ...definition,
        trigger: resolve(definition.trigger, TRIGGERS),
        inputs: definition.inputs.map((binding) => resolve(binding, INPUTS)),
        outputs: definition.outputs.map((binding) => resolve(binding, OUTPUTS)),
      };
    });
  if (problems.length > 0) throw HostStartError.of(problems);
  return prepared;
}

/** The name of the connection that a storage binding uses. */
export function connectionOf(binding: BindingDefinition): string {
  const name = binding["connection"];
  return typeof name === "string" && name !== "" ? name : DEFAULT_CONNECTION;
}

/** Compares binding types as the real host does, without case. */
export function isType(binding: BindingDefinition, type: string): boolean {
  return binding.type.toLowerCase() === type.toLowerCase();
}

function isEnabled(name: string, config: HostConfig, settings: Settings): boolean {
  if (config.functions !== undefined && !config.functions.includes(name)) return false;
  const disabled = settings.get(`AzureWebJobs.${name}.Disabled`) ?? settings.get(`AzureWebJobs_${name}_Disabled`);
  return disabled === undefined || !/^(true|1)$/i.test(disabled);
}

function refuseModes(binding: BindingDefinition, wantedBy: string): void {
  const properties = binding["properties"] as Readonly<Record<string, unknown>> | undefined;
  const mode =
    binding["durableRequiresGrpc"] === true
      ? "the gRPC protocol of durable-functions 4"
      : binding["sdkBinding"] === true || String(properties?.["supportsDeferredBinding"]) === "true"
        ? "SDK (deferred) bindings"
        : undefined;
  if (mode !== undefined) {
    throw new HostStartError(`${wantedBy} asks for ${mode}, which this host does not support: ${USE_CORE_TOOLS}`);
  }
}

function expandOptions(binding: BindingDefinition, settings: Settings, wantedBy: string): BindingDefinition {
  const entries = Object.entries(binding).map(([key, value]) => {
    if (typeof value !== "string") return [key, value];
    const text = settings.expand(value, wantedBy);
    // Azure knows no capitals in names of queues, and the real host writes them small.
    return [key, key === "queueName" && isType(binding, "queueTrigger") ? text.toLowerCase() : text];
  });
  return Object.fromEntries(entries) as BindingDefinition;
}
