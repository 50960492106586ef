import { app } from "@azure/functions";
import * as df from "durable-functions";

df.app.orchestration("greetAll", function* (context) {
  const names = context.df.getInput<string[]>() ?? [];
  return yield context.df.Task.all(names.map((name) => context.df.callActivity("greet", name)));
});

df.app.activity("greet", { handler: (name: string) => `hello ${name}` });

app.http("startGreeting", {
  route: "greetings",
  methods: ["POST"],
  extraInputs: [df.input.durableClient()],
  handler: async (request, context) => {
    const client = df.getClient(context);
    const instanceId = await client.startNew("greetAll", { input: await request.json() });
    return client.createCheckStatusResponse(request, instanceId);
  },
});
