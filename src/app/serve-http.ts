import { randomUUID } from "node:crypto";
import type { ReadableStream } from "node:stream/web";
import type { HttpRequest, HttpResponseInit, InvocationContext } from "@azure/functions";
import type { ApiDeps, ApiResponse, ApiSettings, ApiTables } from "../api/api-call.ts";
import { handleArmRequest } from "../api/arm-router.ts";
import { errorDetail } from "../api/error-body.ts";
import { unhealthy } from "../api/serve-health.ts";
import { cleanError } from "../azure/clean-error.ts";
import { present } from "../foundation/present.ts";
import type { Orchestrations } from "../jobs/orchestrations.ts";
import { app } from "./app.ts";
import { RequestBody } from "./request-body.ts";
import { orchestrationsOf } from "./serve-queue.ts";

type Serve = (request: HttpRequest, context: InvocationContext) => Promise<HttpResponseInit>;

/**
 * Passes a request of the host to the API, and the API's response to the host.
 *
 * Always returns a response: a streaming host never answers when the handler throws.
 *
 * @see https://github.com/Azure/azure-functions-nodejs-library/issues/324
 */
export function apiServer(composed: Compose = app): Serve {
  return (request, context) => serve(composed, request, context, orchestrationsOf, unexpected);
}

/** Serves `/api/health`, even when the host has no durable client for the app, or the settings are wrong. */
export function healthServer(composed: Compose = app): Serve {
  return (request, context) => serve(composed, request, context, noOrchestrations, wrongSettings);
}

type Compose = () => Omit<ApiDeps, "tables" | "orchestrations" | "settings" | "logFailure"> &
  ApiTables & { readonly config: ApiSettings };

async function serve(
  composed: Compose,
  request: HttpRequest,
  context: InvocationContext,
  orchestrationsFor: (context: InvocationContext) => Orchestrations,
  whenNotComposed: (error: unknown, requestId: string) => ApiResponse,
): Promise<HttpResponseInit> {
  const body = new RequestBody(request.body as ReadableStream<Uint8Array> | null);
  let answer: ApiResponse;
  try {
    const { config, ...deps } = composed();
    answer = await handleArmRequest(
      {
        tables: deps,
        ...deps,
        orchestrations: orchestrationsFor(context),
        settings: {
          access: config.access,
          retryAfterSeconds: config.retryAfterSeconds,
          maxContainers: config.maxContainers,
        },
        logFailure: ({ requestId, method, path, error }) => {
          context.error(`request '${requestId}': ${method} ${path}`, cleanError(error));
        },
      },
      {
        method: request.method,
        url: new URL(request.url),
        headers: Object.fromEntries(request.headers.entries()),
        body: (maxBytes) => body.read(maxBytes),
      },
    );
  } catch (error) {
    const requestId = randomUUID();
    context.error(`request '${requestId}': ${request.method}`, cleanError(error));
    answer = whenNotComposed(error, requestId);
  }
  await body.discard();
  const { status, headers, body: json } = answer;
  return { status, headers: { ...headers }, ...present({ jsonBody: json }) };
}

function wrongSettings(error: unknown): ApiResponse {
  return unhealthy([{ part: "settings", reason: error instanceof Error ? cleanError(error).message : "unknown" }]);
}

function unexpected(_error: unknown, requestId: string): ApiResponse {
  const failure = {
    code: "internal/unexpected",
    message: "the app cannot handle requests",
    hint: `see /api/health, and the app's log for request '${requestId}'`,
  } as const;
  return { status: 500, headers: { "x-ms-request-id": requestId }, body: { error: errorDetail(failure) } };
}

/** Health needs no durable client. */
function noOrchestrations(): Orchestrations {
  const refuse = async (): Promise<never> => {
    throw new Error("the health function has no durable client");
  };
  return { startOnce: refuse, raise: refuse, state: refuse, terminate: refuse };
}
