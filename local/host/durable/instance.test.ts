import { test } from "vitest";
import { EventType, type HistoryEvent } from "./history.ts";
import { Instance } from "./instance.ts";
import type { ClientMessage, RuntimeStatus, StoredInstance } from "./store.ts";

const at = { EventId: -1, Timestamp: "2026-01-01T00:00:00.000Z" };

function stored(changes: Partial<StoredInstance> & { status?: RuntimeStatus } = {}): StoredInstance {
  const { status = "Running", ...rest } = changes;
  return {
    record: {
      instanceId: "a",
      name: "main",
      version: "",
      executionId: "e",
      startId: "s",
      generation: 0,
      status,
      input: null,
      output: null,
      customStatus: null,
      createdAt: at.Timestamp,
      updatedAt: at.Timestamp,
      parent: null,
    },
    revision: { etag: "1", generation: 0, historyLength: 0 },
    history: [started],
    messages: [],
    ...rest,
  };
}

const started: HistoryEvent = {
  ...at,
  EventType: EventType.ExecutionStarted,
  OrchestrationInstance: { InstanceId: "a", ExecutionId: "e" },
  ParentInstance: null,
  Name: "main",
  Version: "",
  Input: null,
  Generation: 0,
};

function raised(key: string, startId = "s"): ClientMessage {
  const event = { ...at, EventType: EventType.EventRaised, Name: "e", Input: key, MessageKey: key } as const;
  return { key, startId, event };
}

const suspend: ClientMessage = {
  key: "suspend",
  startId: "s",
  event: { ...at, EventType: EventType.ExecutionSuspended, Reason: "" },
};
const resume: ClientMessage = {
  key: "resume",
  startId: "s",
  event: { ...at, EventType: EventType.ExecutionResumed, Reason: "" },
};
const terminate: ClientMessage = {
  key: "terminate",
  startId: "s",
  event: { ...at, EventType: EventType.ExecutionTerminated, Input: "" },
};

function keys(instance: Instance): (string | undefined)[] {
  return instance.inbox.map(({ key }) => key);
}

test("leaves out stored messages whose event is in the history, and those for an earlier start", async ({ expect }) => {
  const messages = [raised("1"), raised("2", "earlier"), raised("3")];
  const instance = new Instance(stored({ history: [started, raised("1").event], messages }));
  expect(keys(instance)).toEqual(["3"]);
});

test("takes a message once, whether it was loaded first or received first", async ({ expect }) => {
  const instance = new Instance(stored({ messages: [raised("1")] }));
  instance.receive(raised("1"));
  instance.receive(raised("2"));
  instance.receive(raised("2"));
  expect(keys(instance)).toEqual(["1", "2"]);

  instance.forget();
  instance.receive(raised("3"));
  instance.receive(raised("4"));
  instance.reload(stored({ messages: [raised("2"), raised("3")] }));
  expect(keys(instance)).toEqual(["2", "3", "4"]);
  instance.receive(raised("2"));
  expect(keys(instance)).toEqual(["2", "3", "4"]);
});

test.for<[string, RuntimeStatus, ClientMessage[], string | undefined, string[]]>([
  ["nothing", "Running", [], undefined, []],
  ["events", "Running", [raised("1"), raised("2")], "replay", ["1", "2"]],
  ["a suspension before events", "Running", [raised("1"), suspend], "suspend", ["suspend"]],
  ["events that wait", "Suspended", [raised("1"), raised("2")], undefined, []],
  ["a resumption of what is suspended", "Suspended", [raised("1"), suspend, resume], "resume", ["suspend", "resume"]],
  ["a termination before all", "Suspended", [raised("1"), resume, terminate], "terminate", ["terminate"]],
])("decides on the next step with %s in the inbox", async ([, status, messages, kind, taken], { expect }) => {
  const step = new Instance(stored({ status, messages })).nextStep();
  expect(step?.kind).toBe(kind);
  expect(step?.messages.map(({ key }) => key) ?? []).toEqual(taken);
});

test("replays an instance that has not begun although nothing came", async ({ expect }) => {
  expect(new Instance(stored({ history: [] })).nextStep()).toEqual({ kind: "replay", messages: [] });
});
