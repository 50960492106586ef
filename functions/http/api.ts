import { app, type HttpMethod } from "@azure/functions";
import { input } from "durable-functions";
import { serveApi } from "../../src/app/serve-http.ts";

// All methods, so that the API itself answers a wrong one; anonymous, because it decides by itself who is let in.
const METHODS: HttpMethod[] = ["GET", "PUT", "POST", "PATCH", "DELETE", "HEAD"];

for (const root of ["subscriptions", "providers", "api"]) {
  app.http(root, {
    route: `${root}/{*path}`,
    methods: METHODS,
    authLevel: "anonymous",
    extraInputs: [input.durableClient()],
    handler: serveApi,
  });
}
