/**
 * @module
 * The seams of the embedded host: what its worker, its triggers and its durable engine say to each other.
 * The shapes of data follow the RPC of the real Functions host (`TypedData` and friends), so that the app's
 * libraries cannot tell the difference.
 */

/** One value on its way into or out of a function; exactly one key is set, or none for "no value". */
export interface TypedData {
  readonly string?: string;
  readonly json?: string;
  readonly bytes?: Uint8Array;
  readonly int?: number;
  readonly double?: number;
  readonly http?: RpcHttp;
}

/** An HTTP request on its way in, or a response on its way out. */
export interface RpcHttp {
  readonly url?: string;
  readonly method?: string;
  readonly statusCode?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly nullableHeaders?: Readonly<Record<string, { readonly value: string }>>;
  readonly nullableQuery?: Readonly<Record<string, { readonly value: string }>>;
  readonly nullableParams?: Readonly<Record<string, { readonly value: string }>>;
  readonly cookies?: readonly unknown[];
  readonly body?: TypedData;
}

/** One binding as the app registered it; further members depend on the type. */
export interface BindingDefinition {
  readonly name: string;
  readonly type: string;
  readonly direction: "in" | "out";
  readonly [option: string]: unknown;
}

/** One registered function, its bindings sorted by role. */
export interface FunctionDefinition {
  readonly name: string;
  readonly trigger: BindingDefinition;
  readonly inputs: readonly BindingDefinition[];
  readonly outputs: readonly BindingDefinition[];
  readonly retryOptions?: Readonly<Record<string, unknown>>;
}

/** What a trigger hands to one execution; the host adds the data of other input bindings itself. */
export interface InvocationRequest {
  readonly triggerData: TypedData;
  readonly triggerMetadata?: Readonly<Record<string, TypedData>>;
  readonly retryContext?: { readonly retryCount: number; readonly maxRetryCount: number };
}

export type InvocationResponse =
  | { readonly ok: true; readonly returnValue?: TypedData }
  | { readonly ok: false; readonly error: { readonly name: string; readonly message: string; readonly stack: string } };

/**
 * Runs one function once: sends it to the worker, adds input bindings (`durableClient`), enforces `functionTimeout`,
 * and writes its output bindings before it answers. A failed output makes the answer `ok: false`.
 * A worker that dies makes every running execution `ok: false`.
 */
export interface Invoker {
  invoke(functionName: string, request: InvocationRequest): Promise<InvocationResponse>;
}

/** The host's time; tests move it. Timers may be longer than 2^31 ms. */
export interface HostClock {
  now(): Date;
  /** Calls back once, not before `at`; returns how to call it off. Whoever moves the clock waits for what it calls. */
  callAt(at: Date, callback: () => void | Promise<void>): () => void;
}

export interface HostLog {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** An HTTP exchange without a server: what the durable HTTP API answers to. */
export interface PlainRequest {
  readonly method: string;
  /** Absolute URL as the caller used it. */
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export interface PlainResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** The durable side of the host, made by `local/host/durable/engine.ts`, started by `local/host/core/host.ts`. */
export interface DurableHost {
  /** Loads and continues unfinished orchestrations. */
  start(): Promise<void>;
  /** Stops new episodes and activities, and waits for running ones. */
  stop(): Promise<void>;
  /** The JSON text of a `durableClient` input binding (taskHubName, creationUrls, managementUrls, rpcBaseUrl, ...). */
  clientBinding(): string;
  /**
   * Answers requests below `/runtime/webhooks/durabletask/` (outside callers; the host has checked their key) and below
   * `/durabletask/` (the app's own client, loopback). `path` is what follows that prefix, without a leading slash.
   */
  handle(path: string, request: PlainRequest): Promise<PlainResponse>;
}
