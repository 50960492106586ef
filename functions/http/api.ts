import { app, type HttpMethod } from "@azure/functions";
import { input } from "durable-functions";
import { apiServer } from "../../src/app/serve-http.ts";

// Without it, the host drops a body without Content-Length (Transfer-Encoding: chunked).
app.setup({ enableHttpStream: true });

// All methods, so that the API itself refuses unsupported ones; anonymous, because the API decides about access itself.
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
