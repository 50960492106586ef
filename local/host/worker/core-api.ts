/**
 * @module
 * The host side of `@azure/functions`: the module `@azure/functions-core`, which is on no registry because the real
 * worker puts it in place by answering `require` itself. The library asks for it once and keeps it, so a process can
 * hold one app only.
 */

import Module from "node:module";
import type { TypedData } from "../protocol.ts";

/** The reported host version, whose behaviour is implemented here. */
export const EMULATED_HOST_VERSION = "4.1037.0";

const CORE_MODULE = "@azure/functions-core";

const HOOK_NAMES = ["appStart", "appTerminate", "preInvocation", "postInvocation", "log"] as const;

export type HookName = (typeof HOOK_NAMES)[number];

export type LogLevel = "trace" | "debug" | "information" | "warning" | "error" | "critical" | "none";

/** A function's code as the app handed it over. */
export type FunctionCallback = (...inputs: unknown[]) => unknown;

/** What the app says about a function; bindings are keyed by name, `$return` for the returned value. */
export interface FunctionMetadata {
  readonly name: string;
  readonly bindings: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly retryOptions?: Readonly<Record<string, unknown>>;
}

/** What a hook reads and may change; which members it has depends on the hook. */
export interface HookContext {
  hookData: Record<string, unknown>;
  appHookData?: Record<string, unknown>;
  invocationContext?: unknown;
  functionCallback?: FunctionCallback;
  inputs?: unknown[];
  result?: unknown;
  error?: unknown;
  level?: LogLevel;
  message?: string;
  category?: "user" | "system";
}

export type HookCallback = (context: HookContext) => unknown;

/** The library's view of one execution, see `InvocationModel` in `@azure/functions`. */
export interface InvocationModel {
  getArguments(): Promise<{ readonly context: unknown; readonly inputs: unknown[] }>;
  invokeFunction(context: unknown, inputs: unknown[], callback: FunctionCallback): Promise<unknown>;
  getResponse(context: unknown, result: unknown): Promise<CoreResponse>;
}

export interface CoreResponse {
  readonly returnValue?: TypedData | null;
  readonly outputData?: readonly { readonly name: string; readonly data: TypedData }[];
}

export interface CoreInvocation {
  readonly invocationId: string;
  readonly metadata: FunctionMetadata;
  readonly request: unknown;
  state?: "preInvocationHooks" | "invocation" | "postInvocationHooks";
  log(level: LogLevel, category: "user" | "system", message: string): void;
}

export interface ProgrammingModel {
  readonly name: string;
  readonly version: string;
  getInvocationModel(invocation: CoreInvocation): InvocationModel;
  getCapabilities(capabilities: Record<string, string>): Promise<Record<string, string>>;
}

export interface RegisteredFunction {
  readonly metadata: FunctionMetadata;
  readonly callback: FunctionCallback;
}

type Log = (level: LogLevel, category: "user" | "system", message: string) => void;

class Disposable {
  readonly #undo: () => void;

  constructor(undo: () => void) {
    this.#undo = undo;
  }

  dispose(): void {
    this.#undo();
  }
}

/** Holds what an app registers while it loads. */
export class Registry {
  readonly functions = new Map<string, RegisteredFunction>();
  model: ProgrammingModel | undefined;
  readonly #hooks = new Map<HookName, HookCallback[]>(HOOK_NAMES.map((name) => [name, []]));
  #isClosed = false;

  /** Refuses further functions: the host has read the list. */
  close(): void {
    this.#isClosed = true;
  }

  register(metadata: FunctionMetadata, callback: FunctionCallback): Disposable {
    if (this.#isClosed) {
      throw new Error(`a function can only be registered while the app starts: '${metadata.name}' came too late`);
    }
    if (this.functions.has(metadata.name)) {
      throw new Error(`a function with the name '${metadata.name}' is registered already`);
    }
    this.functions.set(metadata.name, { metadata, callback });
    return new Disposable(() => {
      if (this.#isClosed) throw new Error("a function cannot be taken back after the app has started");
      this.functions.delete(metadata.name);
    });
  }

  addHook(name: string, callback: HookCallback): Disposable {
    const hooks = this.#hooks.get(name as HookName);
    if (hooks === undefined) throw new RangeError(`unrecognized hook '${name}'`);
    hooks.push(callback);
    return new Disposable(() => {
      const at = hooks.indexOf(callback);
      if (at >= 0) hooks.splice(at, 1);
    });
  }

  /** Runs the hooks of one kind in the order of their registration. */
  async runHooks(name: HookName, context: HookContext): Promise<void> {
    for (const hook of [...(this.#hooks.get(name) ?? [])]) await hook(context);
  }

  /** Lets log hooks change a line; they are called without waiting, as the line cannot wait. */
  runLogHooks(context: HookContext): void {
    for (const hook of [...(this.#hooks.get("log") ?? [])]) hook(context);
  }
}

/** Puts the core module in place, for every `require` of this process from now on. */
export function installCoreApi(registry: Registry, log: Log): void {
  const coreApi = {
    version: EMULATED_HOST_VERSION,
    hostVersion: EMULATED_HOST_VERSION,
    setProgrammingModel: (model: ProgrammingModel) => {
      registry.model = model;
    },
    getProgrammingModel: () => registry.model,
    registerFunction: (metadata: FunctionMetadata, callback: FunctionCallback) => registry.register(metadata, callback),
    registerHook: (name: string, callback: HookCallback) => registry.addHook(name, callback),
    log,
    Disposable,
  };
  Module.prototype.require = new Proxy(Module.prototype.require, {
    apply: (require, self, args: [string]) => (args[0] === CORE_MODULE ? coreApi : Reflect.apply(require, self, args)),
  });
}
