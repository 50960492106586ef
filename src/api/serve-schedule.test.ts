import { test } from "vitest";
import { INSTANCE_ID, MemoryApp, POLICY_ID, policyBody, VAULT_ID } from "../../test/support/memory-app.ts";
import { ALL_SCHEDULES, scheduleRow } from "../instances/schedules.ts";
import { vaultKey } from "../instances/vault-record.ts";

const PATH = `/api${INSTANCE_ID}/schedule`;
const ROW = scheduleRow(vaultKey(VAULT_ID), "prodlake-prodlake-1");

test("lists the next slots and those that were skipped", async ({ expect }) => {
  const app = new MemoryApp();
  await app.protect();
  const passedOver = { count: 1, newest: [{ slot: "2026-03-01T02:00:00.000Z", because: "a newer slot came" }] };
  const before = (await app.tables.schedules.get(ALL_SCHEDULES, ROW))?.value;
  if (before === undefined) throw new Error("no schedule");
  await app.tables.schedules.put(ALL_SCHEDULES, ROW, {
    ...before,
    handledUpTo: "2026-03-02T02:00:00.000Z",
    passedOver,
  });
  expect((await app.call("GET", PATH)).body).toEqual({
    nextSlots: [3, 4, 5, 6, 7].map((day) => `2026-03-0${day}T02:00:00.000Z`),
    handledUpTo: "2026-03-02T02:00:00.000Z",
    passedOver,
  });
});

test.for([
  ["R/2026-01-01T00:00:00+00:00/PT15M", ["2026-03-02T10:15:00.000Z", "2026-03-02T10:30:00.000Z"]],
  ["R/2026-01-01T02:00:00+00:00/P26W", ["2026-07-02T02:00:00.000Z", "2026-12-31T02:00:00.000Z"]],
] as const)("of %s the next are %j", async ([interval, slots], { expect }) => {
  const app = new MemoryApp();
  await app.protect();
  await app.call("PUT", POLICY_ID, { body: policyBody({ intervals: [interval] }) });
  const { nextSlots } = (await app.call("GET", PATH)).body as { nextSlots: string[] };
  expect(nextSlots.slice(0, 2)).toEqual(slots);
});

test("a paused instance has no next slot", async ({ expect }) => {
  const app = new MemoryApp();
  await app.protect();
  await app.call("POST", `${INSTANCE_ID}/suspendBackups`);
  expect((await app.call("GET", PATH)).body).toMatchObject({ nextSlots: [] });
});
