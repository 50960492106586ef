import { randomUUID } from "node:crypto";
import { describe, test } from "vitest";
import { type EventRaised, EventType, type HistoryEvent } from "../history.ts";
import { type ClientMessage, type DurableStore, type InstanceRecord, StoreConflict } from "../store.ts";

/** What every store must do; `open` gives a store whose instances these tests may fill as they like. */
export function describeStore(name: string, open: () => Promise<DurableStore>): void {
  describe(name, () => {
    test("gives back what was created", async ({ expect }) => {
      const store = await open();
      const made = record({ input: '{"n":1}', parent: { name: "p", instanceId: "x", executionId: "e", taskId: 3 } });
      const revision = await store.create(made);
      expect(await store.find(made.instanceId)).toEqual({ record: made, revision });
      expect(await store.load(made.instanceId)).toEqual({ record: made, revision, history: [], messages: [] });
      expect(await store.unfinished()).toContain(made.instanceId);
      expect(await store.find("nobody")).toBeUndefined();
      expect(await store.load("nobody")).toBeUndefined();
    });

    test("refuses to create what is there, and a commit on an old state", async ({ expect }) => {
      const store = await open();
      const made = record();
      const revision = await store.create(made);
      await expect(store.create(made)).rejects.toThrow(StoreConflict);
      const change = { revision, record: made, newEvents: [], consumed: [], kept: [] };
      const twice = await store.commit({ ...change, revision: await store.commit(change) });
      await expect(store.commit(change)).rejects.toThrow(StoreConflict);
      await expect(store.commit({ ...change, revision: { ...twice, etag: revision.etag } })).rejects.toThrow(
        StoreConflict,
      );
      await expect(store.create({ ...made, generation: 1 }, revision)).rejects.toThrow(StoreConflict);
    });

    test("appends history and removes consumed messages in one commit", async ({ expect }) => {
      const store = await open();
      const made = record();
      const first = await store.create(made);
      for (const key of ["2", "1", "3"]) await store.addMessage(made.instanceId, message(made, key));
      expect((await store.load(made.instanceId))?.messages.map(({ key }) => key)).toEqual(["1", "2", "3"]);
      const running: InstanceRecord = { ...made, status: "Running", customStatus: '"half"' };
      const second = await store.commit({
        revision: first,
        record: running,
        newEvents: [event("1")],
        consumed: ["1"],
        kept: [],
      });
      const third = await store.commit({
        revision: second,
        record: { ...running, customStatus: null },
        newEvents: [event("2"), event("2b")],
        consumed: ["2"],
        kept: [],
      });
      expect(await store.load(made.instanceId)).toEqual({
        record: { ...running, customStatus: null },
        revision: third,
        history: [event("1"), event("2"), event("2b")],
        messages: [message(made, "3")],
      });
    });

    test("starts a new run with an empty history and the messages that are kept", async ({ expect }) => {
      const store = await open();
      const made = record();
      const first = await store.create(made);
      await store.addMessage(made.instanceId, message(made, "2"));
      const second = await store.commit({
        revision: first,
        record: made,
        newEvents: [event("0"), event("1")],
        consumed: [],
        kept: [],
      });
      const next = { ...made, generation: 1, executionId: "next", input: '"new"' };
      const third = await store.commit({
        revision: second,
        record: next,
        newEvents: [],
        consumed: [],
        kept: [message(made, "1"), message(made, "2")],
      });
      const loaded = await store.load(made.instanceId);
      expect(loaded).toMatchObject({ record: next, history: [] });
      expect(loaded?.messages.map(({ key }) => key)).toEqual(["1", "2"]);
      await store.commit({ revision: third, record: next, newEvents: [event("3")], consumed: ["1", "2"], kept: [] });
      expect(await store.load(made.instanceId)).toMatchObject({ history: [event("3")], messages: [] });
    });

    test("holds large texts, many events and many messages", async ({ expect }) => {
      const store = await open();
      const large = JSON.stringify("ä".repeat(300_000));
      const made = record({ input: large });
      const first = await store.create(made);
      const keys = Array.from({ length: 80 }, (_, n) => String(n).padStart(4, "0"));
      await Promise.all(keys.map((key) => store.addMessage(made.instanceId, message(made, key, "x".repeat(20_000)))));
      await store.addMessage(made.instanceId, message(made, "9999", large));
      const events = [...keys.map((key) => event(key, "y".repeat(50_000))), event("large", large), event("last")];
      const done: InstanceRecord = { ...made, status: "Completed", output: large };
      await store.commit({ revision: first, record: done, newEvents: events, consumed: keys, kept: [] });
      const loaded = await store.load(made.instanceId);
      expect(loaded?.record).toEqual(done);
      expect(loaded?.history).toEqual(events);
      expect(loaded?.messages).toEqual([message(made, "9999", large)]);
      await store.purge(made.instanceId);
      expect(await store.load(made.instanceId)).toBeUndefined();
    });

    test("holds characters of any language, however the service reads them", async ({ expect }) => {
      const store = await open();
      const foreign = JSON.stringify("größe 文書 🏞 ".repeat(7_000));
      for (let n = 0; n < 20; n += 1) {
        const made = record({ instanceId: `foreign-${n}`, input: foreign });
        const revision = await store.create(made);
        await store.commit({ revision, record: made, newEvents: [event("0", foreign)], consumed: [], kept: [] });
        const loaded = await store.load(made.instanceId);
        expect(JSON.parse(loaded?.record.input ?? "")).toBe(JSON.parse(foreign));
        expect(loaded?.history).toEqual([event("0", foreign)]);
      }
      expect.assertions(40);
    });

    test("changes nothing by a commit that it refuses, however large", async ({ expect }) => {
      const store = await open();
      const made = record();
      const first = await store.create(made);
      await store.addMessage(made.instanceId, message(made, "1"));
      const second = await store.commit({
        revision: first,
        record: made,
        newEvents: [event("0")],
        consumed: [],
        kept: [],
      });
      const before = await store.load(made.instanceId);
      const large = Array.from({ length: 60 }, (_, n) => event(`${n}`, "z".repeat(60_000)));
      const refused = {
        revision: { ...second, etag: first.etag },
        record: made,
        newEvents: large,
        consumed: ["1"],
        kept: [],
      };
      await expect(store.commit(refused)).rejects.toThrow(StoreConflict);
      expect(await store.load(made.instanceId)).toEqual(before);
      await store.commit({ revision: second, record: made, newEvents: [event("1")], consumed: ["1"], kept: [] });
      expect(await store.load(made.instanceId)).toMatchObject({ history: [event("0"), event("1")], messages: [] });
    });

    test("starts over a finished instance without its history and messages", async ({ expect }) => {
      const store = await open();
      const made = record();
      const first = await store.create(made);
      await store.addMessage(made.instanceId, message(made, "1"));
      const second = await store.commit({
        revision: first,
        record: { ...made, status: "Completed", output: "1" },
        newEvents: [event("0")],
        consumed: [],
        kept: [],
      });
      const again = { ...made, generation: 1, startId: "again", executionId: "again" };
      const revision = await store.create(again, second);
      expect(await store.load(made.instanceId)).toEqual({ record: again, revision, history: [], messages: [] });
    });

    test("takes ids with any character that a client may use", async ({ expect }) => {
      const store = await open();
      const ids = ["a b", "it's", "50%^25^", "äöü😀", "x:1", "(1)+2=3;&@", "~tilde"].map(
        (id) => `${id}-${randomUUID()}`,
      );
      for (const instanceId of ids) {
        const made = record({ instanceId });
        const revision = await store.create(made);
        await store.addMessage(instanceId, message(made, "1"));
        await store.commit({ revision, record: made, newEvents: [event("0")], consumed: ["1"], kept: [] });
        expect((await store.load(instanceId))?.record.instanceId).toBe(instanceId);
        expect(await store.unfinished()).toContain(instanceId);
        await store.purge(instanceId);
        expect(await store.find(instanceId)).toBeUndefined();
      }
      expect(ids).toHaveLength(7);
    });

    test("lists by status, time and prefix, page by page", async ({ expect }) => {
      const store = await open();
      const prefix = `list-${randomUUID()}-`;
      for (let day = 1; day <= 9; day += 1) {
        await store.create(
          record({
            instanceId: `${prefix}${day}`,
            createdAt: `2026-01-0${day}T00:00:00.000Z`,
            status: day % 2 === 0 ? "Completed" : "Running",
          }),
        );
      }
      const idsOf = async (query: Partial<Parameters<DurableStore["list"]>[0]>) => {
        const ids: string[] = [];
        let continuationToken: string | undefined;
        let pages = 0;
        do {
          const page = await store.list({ idPrefix: prefix, top: 100, ...query, continuationToken });
          ids.push(...page.instances.map(({ record: { instanceId } }) => instanceId.slice(prefix.length)));
          continuationToken = page.continuationToken;
          pages += 1;
        } while (continuationToken !== undefined);
        return { ids: ids.join(""), pages };
      };
      expect((await idsOf({})).ids).toBe("123456789");
      expect((await idsOf({ statuses: ["Completed"] })).ids).toBe("2468");
      expect((await idsOf({ statuses: ["Completed", "Running"], createdFrom: new Date("2026-01-07") })).ids).toBe(
        "789",
      );
      expect((await idsOf({ createdTo: new Date("2026-01-03") })).ids).toBe("123");
      const paged = await idsOf({ top: 4 });
      expect(paged.ids).toBe("123456789");
      expect(paged.pages).toBeGreaterThanOrEqual(3);
    });
  });
}

function record(changes: Partial<InstanceRecord> = {}): InstanceRecord {
  return {
    instanceId: randomUUID(),
    name: "main",
    version: "",
    executionId: "e1",
    startId: "s1",
    generation: 0,
    status: "Pending",
    input: null,
    output: null,
    customStatus: null,
    createdAt: "2026-01-01T00:00:00.000Z",
    updatedAt: "2026-01-01T00:00:00.000Z",
    parent: null,
    ...changes,
  };
}

function event(key: string, input = "null"): EventRaised {
  return {
    EventType: EventType.EventRaised,
    EventId: -1,
    Timestamp: "2026-01-01T00:00:00.000Z",
    Name: "event",
    Input: input,
    MessageKey: key,
  } satisfies HistoryEvent;
}

function message({ startId }: InstanceRecord, key: string, input?: string): ClientMessage {
  return { key, startId, event: event(key, input) };
}
