/**
 * @module
 * What host and worker process say to each other over IPC (structured clone, so bytes stay bytes).
 */

import type { FunctionDefinition, TypedData } from "../protocol.ts";
import type { LogLevel } from "./core-api.ts";

/** One execution as the worker gets it. */
export interface WorkerInvocation {
  readonly invocationId: string;
  readonly functionName: string;
  readonly inputData: readonly { readonly name: string; readonly data: TypedData }[];
  readonly triggerMetadata?: Readonly<Record<string, TypedData>>;
  readonly retryContext?: { readonly retryCount: number; readonly maxRetryCount: number };
}

export interface ErrorText {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
}

/** One execution as the worker left it; outputs are still to be written. */
export type WorkerOutcome =
  | {
      readonly ok: true;
      readonly returnValue?: TypedData;
      /** Whether the handler returned anything, also when the library has streamed it past the host. */
      readonly hasResult: boolean;
      readonly outputData: readonly { readonly name: string; readonly data: TypedData }[];
    }
  | { readonly ok: false; readonly error: ErrorText };

/** A line the app or its library logged. */
export interface WorkerLogLine {
  readonly level: LogLevel;
  readonly category: "user" | "system";
  readonly message: string;
  readonly functionName?: string;
}

/** What a loaded app offers. */
export interface LoadedApp {
  readonly functions: readonly FunctionDefinition[];
  /** Where the library waits for forwarded requests when the app set `enableHttpStream`. */
  readonly httpStreamUri?: string;
}

export type ToWorker =
  | { readonly kind: "load"; readonly scriptRoot: string }
  | { readonly kind: "invoke"; readonly invocation: WorkerInvocation }
  /** The host will stop: the app's `appTerminate` hooks run, while executions go on. */
  | { readonly kind: "terminating" }
  | { readonly kind: "stop" };

export type FromWorker =
  | { readonly kind: "loaded"; readonly app: LoadedApp }
  | { readonly kind: "load-failed"; readonly error: ErrorText }
  | { readonly kind: "outcome"; readonly invocationId: string; readonly outcome: WorkerOutcome }
  | { readonly kind: "log"; readonly line: WorkerLogLine };

/** Renders whatever was thrown; apps throw strings and plain objects too. */
export function errorText(thrown: unknown): ErrorText {
  if (thrown instanceof Error) return { name: thrown.name, message: thrown.message, stack: thrown.stack ?? "" };
  const message = typeof thrown === "string" ? thrown : (JSON.stringify(thrown) ?? String(thrown));
  return { name: "Error", message, stack: "" };
}
