import { app, type HttpMethod } from "@azure/functions";
import { input } from "durable-functions";
import { apiServer } from "../../src/app/serve-http.ts";

// Without it, the host passes no body on that has no Content-Length (Transfer-Encoding: chunked).
app.setup({ enableHttpStream: true });

// All methods, so that the API itself answers a wrong one; anonymous, because it decides by itself who is let in.
export const METHODS: HttpMethod[] = ["GET", "PUT", "POST", "PATCH", "DELETE", "HEAD"];

for (const root of ["subscriptions", "providers", "api"]) {
  app.http(root, {
    route: `${root}/{*path}`,
    methods: METHODS,
    authLevel: "anonymous",
    extraInputs: [input.durableClient()],
    handler: apiServer(),
  });
}
