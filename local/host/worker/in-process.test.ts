import { test } from "vitest";
import { openInProcessApp } from "./in-process.ts";

const app = await openInProcessApp("local/host/testing/apps/all-triggers");

test("finds the functions that the app's files registered", async ({ expect }) => {
  expect(app.functions.map((definition) => definition.name)).toEqual(
    expect.arrayContaining(["echo", "greetAll", "greet", "startGreeting"]),
  );
});

test("sorts a function's bindings into trigger, inputs and outputs", async ({ expect }) => {
  const starter = app.functions.find((definition) => definition.name === "startGreeting");
  expect(starter?.trigger).toMatchObject({ type: "httpTrigger", route: "greetings", methods: ["POST"] });
  expect(starter?.inputs).toMatchObject([{ type: "durableClient" }]);
  expect(starter?.outputs).toMatchObject([{ type: "http", name: "$return" }]);
});

test("runs an activity through the real library", async ({ expect }) => {
  const response = await app.invoker.invoke("greet", {
    triggerData: { string: '"Ada"' },
    triggerMetadata: { instanceId: { string: "one" } },
  });
  expect(response).toEqual({ ok: true, returnValue: { string: "hello Ada" } });
});

test("hands back the actions of an orchestrator", async ({ expect }) => {
  const history = [
    { EventType: 12, EventId: -1, IsPlayed: false, Timestamp: "2026-01-01T00:00:00.000Z" },
    {
      EventType: 0,
      EventId: -1,
      IsPlayed: false,
      Timestamp: "2026-01-01T00:00:00.000Z",
      Name: "greetAll",
      Input: '["Ada"]',
    },
  ];
  const response = await app.invoker.invoke("greetAll", {
    triggerData: {
      string: JSON.stringify({
        history,
        input: ["Ada"],
        instanceId: "one",
        isReplaying: false,
        upperSchemaVersion: 1,
        upperSchemaVersionNew: 2,
      }),
    },
  });
  expect(response).toMatchObject({ ok: true });
  expect(response.ok && JSON.parse(response.returnValue?.json ?? "")).toMatchObject({
    isDone: false,
    actions: [[{ compoundActions: [{ functionName: "greet" }] }]],
  });
});

test("answers a thrown error as a value", async ({ expect }) => {
  const http = { url: "http://127.0.0.1/throws", method: "GET", nullableHeaders: {}, nullableQuery: {} };
  const response = await app.invoker.invoke("throws", { triggerData: { http } });
  expect(response).toMatchObject({ ok: false, error: { name: "Error", message: "the handler broke" } });
});
