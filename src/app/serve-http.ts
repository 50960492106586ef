import type { HttpRequest, HttpResponseInit, InvocationContext } from "@azure/functions";
import { handleArmRequest } from "../api/arm-router.ts";
import { cleanError } from "../azure/clean-error.ts";
import { REQUEST_TIME_MS, withinTime } from "../azure/function-time.ts";
import { app } from "./app.ts";
import { orchestrationsOf } from "./serve-queue.ts";

/** Hands a request of the host to the API, and the API's answer to the host. */
export function serveApi(request: HttpRequest, context: InvocationContext): Promise<HttpResponseInit> {
  return withinTime(REQUEST_TIME_MS, () => answer(request, context));
}

async function answer(request: HttpRequest, context: InvocationContext): Promise<HttpResponseInit> {
  const { config, ...composed } = app();
  const response = await handleArmRequest(
    {
      tables: composed,
      ...composed,
      orchestrations: orchestrationsOf(context),
      settings: {
        access: config.access,
        retryAfterSeconds: config.retryAfterSeconds,
        mostContainers: config.mostContainers,
      },
      logFailure: ({ requestId, method, path, error }) => {
        context.error(`request '${requestId}': ${method} ${path}`, cleanError(error));
      },
    },
    {
      method: request.method,
      url: new URL(request.url),
      headers: Object.fromEntries(request.headers.entries()),
      body: () => request.text(),
    },
  );
  const { status, headers, body } = response;
  return { status, headers: { ...headers }, ...(body === undefined ? {} : { jsonBody: body }) };
}
