import { app } from "@azure/functions";
import { healthServer } from "../../src/app/serve-http.ts";
import { METHODS } from "./api.ts";

// A function of its own, because the host runs none with a durable client where its webhooks are not configured.
app.http("health", { route: "api/health", methods: METHODS, authLevel: "anonymous", handler: healthServer() });
