/**
 * @module
 * Loads a function app into this process and runs its functions, as the real Node worker does.
 */

import { globSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { BindingDefinition, FunctionDefinition } from "../protocol.ts";
import {
  type CoreInvocation,
  type FunctionMetadata,
  type HookContext,
  installCoreApi,
  type LogLevel,
  type ProgrammingModel,
  Registry,
} from "./core-api.ts";
import {
  errorText,
  type LoadedApp,
  type WorkerInvocation,
  type WorkerLogLine,
  type WorkerOutcome,
} from "./messages.ts";

/** A loaded app. At most one per process, because the library keeps its host permanently. */
export interface App extends LoadedApp {
  /** Runs one function once; never throws. */
  invoke(invocation: WorkerInvocation): Promise<WorkerOutcome>;
  /** Runs the app's `appTerminate` hooks. */
  terminate(): Promise<void>;
}

let hasLoaded = false;

/**
 * Loads the files that `main` of the app's `package.json` names (a glob) and reads what they registered.
 *
 * @param scriptRoot - folder of the app's `package.json`
 * @param emit - takes each log line of the app
 * @throws Error that says what is missing: no `package.json`, no `main`, no file, or not one function
 */
export async function loadApp(scriptRoot: string, emit: (line: WorkerLogLine) => void): Promise<App> {
  if (hasLoaded) throw new Error("a process holds one function app only: the library keeps the first host it meets");
  hasLoaded = true;

  const registry = new Registry();
  const appHookData: Record<string, unknown> = {};
  const log = (level: LogLevel, category: "user" | "system", message: string, functionName?: string): void => {
    const context: HookContext = { hookData: appHookData, level, category, message };
    registry.runLogHooks(context);
    emit({
      level: context.level ?? level,
      category,
      message: context.message ?? message,
      ...(functionName !== undefined && { functionName }),
    });
  };
  installCoreApi(registry, log);

  const files = await importEntryFiles(resolve(scriptRoot));
  const { model } = registry;
  if (model === undefined || registry.functions.size === 0) {
    throw new Error(
      `no function was registered by ${files.join(", ")}: does it import the files that call app.http(), app.timer() ...? ` +
        "A loader that compiles while importing (module.register) hides the host from @azure/functions and has the same effect",
    );
  }

  await registry.runHooks("appStart", { hookData: appHookData, appHookData });
  const capabilities = await model.getCapabilities({});
  registry.close();

  const httpStreamUri = capabilities["HttpUri"];
  return {
    functions: [...registry.functions.values()].map(({ metadata }) => toFunctionDefinition(metadata)),
    ...(httpStreamUri !== undefined && { httpStreamUri }),
    invoke: (invocation) => runFunction(registry, model, appHookData, log, invocation),
    terminate: () => registry.runHooks("appTerminate", { hookData: appHookData, appHookData }),
  };
}

/** Sorts a function's bindings by their part in it. */
export function toFunctionDefinition(metadata: FunctionMetadata): FunctionDefinition {
  // Through JSON, because options may hold what no IPC message can carry; the real worker sends JSON as well.
  const { bindings, retryOptions } = JSON.parse(JSON.stringify(metadata)) as FunctionMetadata;
  const definitions = Object.entries(bindings).map(([name, binding]) => ({ ...binding, name }) as BindingDefinition);
  const trigger = definitions.find(isTrigger);
  if (trigger === undefined) throw new Error(`function '${metadata.name}' has no trigger`);
  return {
    name: metadata.name,
    trigger,
    inputs: definitions.filter((binding) => binding.direction === "in" && binding !== trigger),
    outputs: definitions.filter((binding) => binding.direction === "out"),
    ...(retryOptions !== undefined && { retryOptions }),
  };
}

function isTrigger(binding: BindingDefinition): boolean {
  return /trigger$/i.test(binding.type);
}

async function importEntryFiles(scriptRoot: string): Promise<string[]> {
  const manifest = await readManifest(scriptRoot);
  const { main } = manifest;
  if (typeof main !== "string") {
    throw new Error(
      `${join(scriptRoot, "package.json")} has no 'main': it names the files (a glob) that register functions`,
    );
  }
  const files = globSync(main, { cwd: scriptRoot }).sort();
  if (files.length === 0) {
    throw new Error(`no file in ${scriptRoot} matches 'main' of package.json, '${main}': is the app built?`);
  }
  process.chdir(scriptRoot);
  const require = createRequire(join(scriptRoot, "package.json"));
  for (const file of files) {
    const path = join(scriptRoot, file);
    const isModule = /\.m[jt]s$/.test(file) || (manifest.type === "module" && !/\.c[jt]s$/.test(file));
    if (isModule) await import(pathToFileURL(path).href);
    else require(path);
  }
  return files;
}

async function readManifest(scriptRoot: string): Promise<{ main?: unknown; type?: unknown }> {
  const path = join(scriptRoot, "package.json");
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw new Error(`${path} cannot be read: a function app for Node has a package.json at its root`, { cause: error });
  });
  return JSON.parse(text) as { main?: unknown; type?: unknown };
}

async function runFunction(
  registry: Registry,
  model: ProgrammingModel,
  appHookData: Record<string, unknown>,
  log: (level: LogLevel, category: "user" | "system", message: string, functionName?: string) => void,
  invocation: WorkerInvocation,
): Promise<WorkerOutcome> {
  try {
    const registered = registry.functions.get(invocation.functionName);
    if (registered === undefined) throw new Error(`the app has no function '${invocation.functionName}'`);
    const { metadata } = registered;
    const core: CoreInvocation = {
      invocationId: invocation.invocationId,
      metadata,
      request: invocation,
      log: (level, category, message) => log(level, category, message, metadata.name),
    };
    const execution = model.getInvocationModel(core);
    const { context, inputs } = await execution.getArguments();

    const hooks = { hookData: {}, appHookData, invocationContext: context };
    const before: HookContext = { ...hooks, inputs, functionCallback: registered.callback };
    core.state = "preInvocationHooks";
    await registry.runHooks("preInvocation", before);

    const after: HookContext = { ...hooks, inputs: before.inputs ?? inputs, result: null, error: null };
    core.state = "invocation";
    try {
      const callback = before.functionCallback ?? registered.callback;
      after.result = await execution.invokeFunction(context, before.inputs ?? inputs, callback);
    } catch (thrown) {
      after.error = thrown ?? new Error(`the function threw ${String(thrown)}`);
    }
    core.state = "postInvocationHooks";
    await registry.runHooks("postInvocation", after);
    if (after.error !== null && after.error !== undefined) throw after.error;

    const response = await execution.getResponse(context, after.result);
    const { returnValue, outputData } = response;
    return {
      ok: true,
      ...(returnValue !== null && returnValue !== undefined && { returnValue }),
      hasResult: after.result !== null && after.result !== undefined,
      outputData: outputData ?? [],
    };
  } catch (thrown) {
    return { ok: false, error: errorText(thrown) };
  }
}
