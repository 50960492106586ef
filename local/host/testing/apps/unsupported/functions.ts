import { app } from "@azure/functions";
import * as df from "durable-functions";

app.storageBlob("onBlob", { path: "box/{name}", connection: "", handler: async () => undefined });
app.timer("tick", { schedule: "%Missing%", handler: async () => undefined });
df.app.entity("counter", () => undefined);
