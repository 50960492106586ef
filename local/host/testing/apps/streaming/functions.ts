import { Readable } from "node:stream";
import { app, type HttpResponseInit } from "@azure/functions";

app.setup({ enableHttpStream: true });

app.http("echo", {
  route: "echo/{name}",
  methods: ["GET", "POST"],
  handler: async (request) => ({
    status: 201,
    headers: { "x-name": request.params["name"] ?? "", "x-query": request.query.get("q") ?? "" },
    ...(request.body !== null && { body: request.body }),
  }),
});

/** Sends a line, and the second only when the first request for `release` came in. */
let release: () => void = () => undefined;
const released = new Promise<void>((resolve) => {
  release = resolve;
});

app.http("twoLines", {
  handler: async () => ({
    body: Readable.from(
      (async function* () {
        yield "first\n";
        await released;
        yield "second\n";
      })(),
    ),
  }),
});
app.http("release", {
  handler: async () => {
    release();
    return { status: 200 };
  },
});
app.http("throws", {
  handler: async () => {
    throw new Error("the handler broke");
  },
});
app.http("nothing", { handler: async () => undefined as unknown as HttpResponseInit });
