import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from "@azure/functions";

/** Shows what arrived, so that a test can compare it. */
async function echo(request: HttpRequest, context: InvocationContext) {
  return {
    jsonBody: {
      function: context.functionName,
      method: request.method,
      url: request.url,
      params: request.params,
      query: Object.fromEntries(request.query),
      headers: Object.fromEntries(request.headers),
      body: await request.text(),
    },
  };
}

app.http("echo", { route: "echo/{*rest}", methods: ["GET", "PUT", "POST", "DELETE"], handler: echo });
app.http("item", { route: "items/{id:int}", handler: echo });
app.http("newestItem", { route: "items/newest", handler: echo });
app.http("anyItem", { route: "items/{name?}", handler: echo });
// The types do not allow for it, yet a handler that returns nothing is common in JavaScript.
app.http("nothing", { route: "nothing", handler: async () => undefined as unknown as HttpResponseInit });
app.http("throws", {
  route: "throws",
  handler: async () => {
    throw new Error("the handler broke");
  },
});
app.http("text", {
  route: "text",
  methods: ["GET", "HEAD"],
  handler: async () => ({
    status: 201,
    body: "hello",
    headers: { "x-test": "yes" },
    cookies: [{ name: "session", value: "a b", httpOnly: true, maxAge: 60, sameSite: "Strict" }],
  }),
});
app.http("keyed", { route: "keyed", authLevel: "function", handler: async () => ({ body: "let in" }) });
app.http("administered", { route: "administered", authLevel: "admin", handler: async () => ({ body: "let in" }) });
app.http("exits", { route: "exits", handler: async () => process.exit(3) });
app.http("loops", {
  route: "loops",
  handler: async (_request, context) => {
    context.log("looping");
    // Lets the line above go out.
    await new Promise((resolve) => setTimeout(resolve, 100));
    for (;;);
  },
});
app.http("environment", {
  route: "environment",
  handler: async () => ({
    jsonBody: { host: process.env["WEBSITE_HOSTNAME"], setting: process.env["TestSetting"], pid: process.pid },
  }),
});
