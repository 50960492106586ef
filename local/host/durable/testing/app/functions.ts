import { app } from "@azure/functions";
import * as df from "durable-functions";

df.app.orchestration("sequence", function* ({ df: context }) {
  let sum = 0;
  for (let n = 0; n < Number(context.getInput()); n += 1) sum += Number(yield context.callActivity("square", n));
  return sum;
});

df.app.orchestration("fanOut", function* ({ df: context }) {
  const count = Number(context.getInput());
  const squares = yield context.Task.all(Array.from({ length: count }, (_, n) => context.callActivity("square", n)));
  return (squares as number[]).reduce((sum, n) => sum + n, 0);
});

df.app.orchestration("events", function* ({ df: context }) {
  const seen: unknown[] = [];
  while (seen.length < Number(context.getInput())) seen.push(yield context.waitForExternalEvent("number"));
  return seen;
});

df.app.orchestration("mixed", function* ({ df: context }) {
  const one = yield context.callActivity("square", 5);
  context.setCustomStatus("squared");
  const child = yield context.callSubOrchestrator("sequence", 4, `${context.instanceId}-child`);
  const event = yield context.waitForExternalEvent("go");
  yield context.createTimer(new Date(context.currentUtcDateTime.getTime() + 200));
  const large = yield context.callActivity("large", 200_000);
  return { one, child, event, length: String(large).length };
});

df.app.orchestration("rounds", function* ({ df: context }) {
  const round = Number(context.getInput());
  yield context.callActivity("square", round);
  if (round < 5) context.continueAsNew(round + 1);
  return round;
});

df.app.activity("square", { handler: (n: number) => n * n });
df.app.activity("large", { handler: (length: number) => "x".repeat(length) });

/** Calls one method of the durable client, so that a test can use the real one. */
app.http("client", {
  methods: ["POST"],
  extraInputs: [df.input.durableClient()],
  handler: async (request, context) => {
    const { method, args } = (await request.json()) as { method: string; args: unknown[] };
    const client = df.getClient(context) as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
    try {
      return { jsonBody: { value: await client[method]?.(...args) } };
    } catch (error) {
      return { jsonBody: { error: error instanceof Error ? error.message : String(error) } };
    }
  },
});
