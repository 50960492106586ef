import { app, type InvocationContext, output } from "@azure/functions";
import * as df from "durable-functions";

const extra = output.storageQueue({ queueName: "extra", connection: "VaultStorage" });
const box = output.storageBlob({ path: "box/{name}.json", connection: "" });
const rows = output.table({ tableName: "rows", connection: "" });

/** Passes on what it got, to be compared. */
app.storageQueue("relay", {
  queueName: "%RelayQueue%",
  connection: "VaultStorage",
  return: output.storageQueue({ queueName: "relayed", connection: "VaultStorage" }),
  handler: async (message: unknown, context: InvocationContext) => ({ message, metadata: context.triggerMetadata }),
});

app.storageQueue("split", {
  queueName: "to-split",
  connection: "VaultStorage",
  extraOutputs: [extra],
  handler: async (message: unknown, context: InvocationContext) => {
    context.extraOutputs.set(extra, message);
  },
});

app.storageQueue("broken", {
  queueName: "broken",
  connection: "VaultStorage",
  handler: async () => {
    throw new Error("this message cannot be worked");
  },
});

app.storageQueue("deadly", {
  queueName: "deadly",
  connection: "VaultStorage",
  return: output.storageQueue({ queueName: "survived", connection: "VaultStorage" }),
  handler: async (_message: unknown, context: InvocationContext) => {
    const { dequeueCount } = context.triggerMetadata ?? {};
    if (dequeueCount === 1) process.exit(3);
    return { dequeueCount };
  },
});

app.storageQueue("slow", {
  queueName: "slow",
  connection: "VaultStorage",
  return: output.storageQueue({ queueName: "slow-done", connection: "VaultStorage" }),
  handler: async (message: unknown, context: InvocationContext) => {
    const { ms, name } = message as { ms: number; name: string };
    const { dequeueCount } = context.triggerMetadata ?? {};
    // Only the first delivery is slow, so that a test of the second need not wait again.
    if (dequeueCount === 1) await new Promise((resolve) => setTimeout(resolve, ms));
    return { name, dequeueCount };
  },
});

/** Starts an orchestration whose activity has a queue output. */
app.storageQueue("ordered", {
  queueName: "ordered",
  connection: "VaultStorage",
  extraInputs: [df.input.durableClient()],
  handler: async (message: unknown, context: InvocationContext) => {
    await df.getClient(context).startNew("ship", { instanceId: String(message), input: message });
  },
});

df.app.orchestration("ship", function* (context) {
  return yield context.df.callActivity("pack", context.df.getInput());
});

df.app.activity("pack", {
  extraOutputs: [extra],
  handler: (order: unknown, context: InvocationContext) => {
    context.extraOutputs.set(extra, [`${order} packed`]);
    return "packed";
  },
});

app.http("put", {
  route: "outputs/{name}",
  methods: ["PUT"],
  extraOutputs: [extra, box, rows],
  handler: async (request, context) => {
    const text = await request.text();
    const { name = "" } = request.params;
    if (name === "queue") context.extraOutputs.set(extra, text);
    if (name === "blob") context.extraOutputs.set(box, JSON.parse(text));
    if (name === "table") context.extraOutputs.set(rows, JSON.parse(text));
    return { status: 201 };
  },
});
