import { test } from "vitest";
import { MemoryStore } from "./memory-store.ts";
import { ScriptedApp } from "./testing/scripted-app.ts";
import { TestClock, turns, until } from "./testing/test-clock.ts";
import { TestHost } from "./testing/test-host.ts";

async function opened() {
  const clock = new TestClock();
  const app = new ScriptedApp(
    {
      *waits({ df }) {
        return yield df.waitForExternalEvent("go");
      },
      *echo({ df }) {
        return yield df.callActivity("say", df.getInput());
      },
      *fails({ df }) {
        yield df.callActivity("say", 1);
        throw new Error("no");
      },
    },
    { say: (value) => value },
  );
  const host = new TestHost({ app, store: new MemoryStore(), clock });
  await host.durable.start();
  const isRunning = (id: string) => until(async () => (await host.status(id)).runtimeStatus === "Running");
  return { app, clock, host, isRunning };
}

test("answers a start with the addresses for following the instance", async ({ expect }) => {
  const { host } = await opened();
  const response = await host.request("POST", "orchestrators/waits/one", '{"a":1}');
  expect(response.status).toBe(202);
  expect(response.headers).toMatchObject({ "Retry-After": "10" });
  const base = "http://127.0.0.1:7071/runtime/webhooks/durabletask/instances/one";
  expect(JSON.parse(response.body ?? "")).toEqual({
    id: "one",
    statusQueryGetUri: `${base}?taskHub=TestHub&connection=Storage`,
    sendEventPostUri: `${base}/raiseEvent/{eventName}?taskHub=TestHub&connection=Storage`,
    terminatePostUri: `${base}/terminate?reason={text}&taskHub=TestHub&connection=Storage`,
    rewindPostUri: `${base}/rewind?reason={text}&taskHub=TestHub&connection=Storage`,
    purgeHistoryDeleteUri: `${base}?taskHub=TestHub&connection=Storage`,
    restartPostUri: `${base}/restart?taskHub=TestHub&connection=Storage`,
    suspendPostUri: `${base}/suspend?reason={text}&taskHub=TestHub&connection=Storage`,
    resumePostUri: `${base}/resume?reason={text}&taskHub=TestHub&connection=Storage`,
  });
  expect(response.headers?.["Location"]).toBe(`${base}?taskHub=TestHub&connection=Storage`);
});

test("makes an id of 32 hex digits when the caller gives none", async ({ expect }) => {
  const { host } = await opened();
  const response = await host.request("POST", "orchestrators/waits", "");
  expect(JSON.parse(response.body ?? "").id).toMatch(/^[0-9a-f]{32}$/);
});

test.for([
  ["a function that does not exist", "orchestrators/missing", "null", 400, "is not an orchestrator function"],
  ["an activity", "orchestrators/say", "null", 400, "'waits', 'echo', 'fails'"],
  ["input that is not JSON", "orchestrators/waits", "{", 400, "Invalid JSON content"],
  ["an id that begins with @", "orchestrators/waits/@one", "null", 400, "must not start with @"],
  ["an id with a number sign", "orchestrators/waits/a%23b", "null", 400, "must not contain"],
  ["an id of more than 100 characters", `orchestrators/waits/${"a".repeat(101)}`, "null", 400, "must not exceed 100"],
  ["a path that is too long", "orchestrators/waits/a/b", "null", 404, undefined],
] as const)("refuses to start %s", async ([, path, body, status, message], { expect }) => {
  const { host } = await opened();
  const response = await host.request("POST", path, body);
  expect(response.status).toBe(status);
  if (message !== undefined) expect(JSON.parse(response.body ?? "").Message).toContain(message);
});

test("answers 500 to a start over a running instance, and starts over a finished one", async ({ expect }) => {
  const { host, clock } = await opened();
  expect(await host.start("waits", "one", "first")).toBe(202);
  const again = await host.request("POST", "orchestrators/waits/one", '"second"');
  expect(again.status).toBe(500);
  expect(again.body).toContain("already exists");
  await host.raise("one", "go", "done");
  expect(await host.finished("one")).toMatchObject({ input: "first", output: "done" });

  await clock.advance(5_000);
  expect(await host.start("echo", "one", "third")).toBe(202);
  expect(await host.finished("one")).toMatchObject({
    input: "third",
    output: "third",
    createdTime: "2026-01-01T00:00:05Z",
  });
});

test("waits for the end of an instance when the start asks for it, but not for longer", async ({ expect }) => {
  const { host, clock } = await opened();
  const quick = await host.request("POST", "orchestrators/echo/one?timeout=10&pollingInterval=1", '{"a":[1]}');
  expect(quick).toMatchObject({ status: 200, body: '{"a":[1]}' });
  const failed = await host.request("POST", "orchestrators/fails/two?timeout=10&pollingInterval=1", "");
  expect(failed.status).toBe(200);
  expect(JSON.parse(failed.body ?? "")).toMatchObject({ runtimeStatus: "Failed" });
  let slow: number | undefined;
  void host.request("POST", "orchestrators/waits/three?timeout=10&pollingInterval=1", "").then(({ status }) => {
    slow = status;
  });
  await clock.advance(9_999);
  expect(slow).toBeUndefined();
  await clock.advance(1);
  await turns();
  expect(slow).toBe(202);
});

test("shows the status of an instance, 202 while it runs and 200 when it is finished", async ({ expect }) => {
  const { host, isRunning } = await opened();
  await host.start("waits", "one", { a: 1 });
  await isRunning("one");
  const running = await host.request("GET", "instances/one");
  expect(running).toMatchObject({ status: 202, headers: { "Retry-After": "5" } });
  expect(JSON.parse(running.body ?? "")).toEqual({
    name: "waits",
    instanceId: "one",
    runtimeStatus: "Running",
    input: { a: 1 },
    customStatus: null,
    output: null,
    createdTime: "2026-01-01T00:00:00Z",
    lastUpdatedTime: "2026-01-01T00:00:00Z",
  });
  await host.raise("one", "go", "x");
  await host.finished("one");
  expect((await host.request("GET", "instances/one")).status).toBe(200);
  expect(await host.status("one", "?showInput=false")).toMatchObject({ input: null, output: "x" });
  expect((await host.request("GET", "instances/nobody")).status).toBe(404);
});

test("answers 500 for a failed instance only when asked to", async ({ expect }) => {
  const { host } = await opened();
  await host.start("fails", "one");
  await host.finished("one");
  expect((await host.request("GET", "instances/one")).status).toBe(200);
  expect((await host.request("GET", "instances/one?returnInternalServerErrorOnFailure=true")).status).toBe(500);
});

test("shows the history with work folded into its completion", async ({ expect }) => {
  const { host } = await opened();
  await host.start("echo", "one", "value");
  await host.finished("one");
  const at = "2026-01-01T00:00:00.000Z";
  const { historyEvents } = await host.status("one", "?showHistory=true&showHistoryOutput=true");
  expect(historyEvents).toEqual([
    { EventType: "ExecutionStarted", Timestamp: at, FunctionName: "echo" },
    { EventType: "TaskCompleted", Timestamp: at, ScheduledTime: at, FunctionName: "say", Result: "value" },
    { EventType: "ExecutionCompleted", Timestamp: at, OrchestrationStatus: "Completed", Result: "value" },
  ]);
  const withoutOutput = (await host.status("one", "?showHistory=true")).historyEvents;
  expect(withoutOutput?.some((event) => "Result" in event)).toBe(false);
});

test("lists instances by status, time and prefix, page by page", async ({ expect }) => {
  const { host, clock } = await opened();
  for (const id of ["a1", "a2", "b1"]) {
    await host.start(id === "a2" ? "echo" : "waits", id);
    await clock.advance(60_000);
  }
  const ids = async (query: string, headers: Record<string, string> = {}) => {
    const response = await host.request("GET", `instances/${query}`, undefined, headers);
    expect(response.status).toBe(200);
    const statuses: { instanceId: string }[] = JSON.parse(response.body ?? "");
    return { ids: statuses.map(({ instanceId }) => instanceId), token: response.headers?.["x-ms-continuation-token"] };
  };
  expect((await ids("")).ids).toEqual(["a1", "a2", "b1"]);
  expect((await ids("?runtimeStatus=Completed")).ids).toEqual(["a2"]);
  expect((await ids("?runtimeStatus=Running,Pending")).ids).toEqual(["a1", "b1"]);
  expect((await ids("?instanceIdPrefix=a")).ids).toEqual(["a1", "a2"]);
  expect((await ids("?createdTimeFrom=2026-01-01T00:01:00Z&createdTimeTo=2026-01-01T00:01:30Z")).ids).toEqual(["a2"]);
  const first = await ids("?top=2");
  expect(first.ids).toEqual(["a1", "a2"]);
  const second = await ids("?top=2", { "x-ms-continuation-token": first.token ?? "" });
  expect(second).toEqual({ ids: ["b1"], token: undefined });
});

test("takes an event only as JSON, and only for an instance that is there and not finished", async ({ expect }) => {
  const { host, isRunning } = await opened();
  expect(await host.raise("nobody", "go")).toBe(404);
  await host.start("waits", "one");
  await isRunning("one");
  const raise = (body: string, type = "application/json") =>
    host.request("POST", "instances/one/raiseEvent/go", body, { "content-type": type });
  expect((await raise("")).status).toBe(400);
  expect((await raise("{")).status).toBe(400);
  expect((await raise('"x"', "text/plain")).status).toBe(400);
  expect((await raise('"x"', "application/json; charset=utf-8")).status).toBe(202);
  await host.finished("one");
  expect((await raise('"x"')).status).toBe(410);
});

test("has no address for an event name with a slash", async ({ expect }) => {
  const { host } = await opened();
  await host.start("waits", "one");
  expect((await host.request("POST", "instances/one/raiseEvent/a/b", "1")).status).toBe(404);
  expect((await host.request("POST", "instances/one/raiseEvent/a%2Fb", "1")).status).toBe(404);
});

test("suspends and resumes only in turn", async ({ expect }) => {
  const { host, isRunning } = await opened();
  const post = async (operation: string) => (await host.request("POST", `instances/one/${operation}?reason=r`)).status;
  expect(await post("suspend")).toBe(404);
  await host.start("waits", "one");
  await isRunning("one");
  expect(await post("resume")).toBe(500);
  expect(await post("suspend")).toBe(202);
  await until(async () => (await host.status("one")).runtimeStatus === "Suspended");
  expect((await host.request("GET", "instances/one")).status).toBe(202);
  expect(await post("suspend")).toBe(500);
  expect(await post("resume")).toBe(202);
  await isRunning("one");
  expect(await post("terminate")).toBe(202);
  expect(await host.finished("one")).toMatchObject({ output: "r" });
  expect(await post("suspend")).toBe(410);
  expect(await post("resume")).toBe(410);
});

test("purges finished instances, one or many, and no others", async ({ expect }) => {
  const { host, isRunning, clock } = await opened();
  const remove = async (path: string) => {
    const { status, body } = await host.request("DELETE", `instances/${path}`);
    return { status, body: body === undefined ? undefined : JSON.parse(body) };
  };
  expect(await remove("one")).toMatchObject({ status: 404 });
  await host.start("waits", "one");
  await isRunning("one");
  expect((await remove("one")).status).toBe(412);
  for (const id of ["two", "three", "four"]) {
    await clock.advance(60_000);
    await host.start(id === "four" ? "fails" : "echo", id);
    await host.finished(id);
  }
  expect(await remove("two")).toEqual({ status: 200, body: { instancesDeleted: 1 } });
  expect((await host.request("GET", "instances/two")).status).toBe(404);
  expect((await remove("")).status).toBe(400);
  const since = "?createdTimeFrom=2026-01-01T00:00:00Z";
  expect(await remove(`${since}&runtimeStatus=Failed`)).toEqual({ status: 200, body: { instancesDeleted: 1 } });
  expect(await remove(since)).toEqual({ status: 200, body: { instancesDeleted: 1 } });
  expect((await remove(since)).status).toBe(404);
  expect(await host.status("one")).toMatchObject({ runtimeStatus: "Running" });
});

test.for([
  ["POST", "instances/one/rewind?reason=x"],
  ["POST", "instances/one/restart"],
  ["POST", "entities/counter/one?op=add"],
  ["GET", "entities/counter/one"],
] as const)("answers 501 to %s %s, and says what to use", async ([method, path], { expect }) => {
  const { host } = await opened();
  const response = await host.request(method, path, method === "POST" ? "1" : undefined);
  expect(response.status).toBe(501);
  expect(response.body).toContain("use Azure Functions Core Tools");
});

test.for([
  ["GET", "orchestrators/waits"],
  ["PUT", "instances/one"],
  ["POST", "instances"],
  ["GET", "instances/one/terminate"],
  ["POST", "instances/one/unheard"],
  ["GET", "instances/one/raiseEvent/go"],
  ["GET", ""],
  ["GET", "elsewhere"],
] as const)("answers 404 to %s %s", async ([method, path], { expect }) => {
  const { host } = await opened();
  await host.start("waits", "one");
  expect((await host.request(method, path)).status).toBe(404);
});

test("gives the app's client the addresses that it needs", async ({ expect }) => {
  const { host } = await opened();
  const binding = JSON.parse(host.durable.clientBinding());
  expect(binding).toMatchObject({
    taskHubName: "TestHub",
    rpcBaseUrl: "http://127.0.0.1:7071/durabletask/",
    baseUrl: "http://127.0.0.1:7071/runtime/webhooks/durabletask",
    managementUrls: { id: "INSTANCEID" },
  });
  expect(binding.creationUrls.createNewInstancePostUri).toContain("/orchestrators/{functionName}[/{instanceId}]");
});
