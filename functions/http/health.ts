import { app } from "@azure/functions";
import { healthServer } from "../../src/app/serve-http.ts";
import { METHODS } from "./api.ts";

// A separate function, because without configured webhooks the host runs no function with a durable client.
app.http("health", { route: "api/health", methods: METHODS, authLevel: "anonymous", handler: healthServer() });
