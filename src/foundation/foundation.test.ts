import { describe, test } from "vitest";
import { MemoryRecords } from "../../test/support/memory-records.ts";
import { mapBounded } from "./bounded-pool.ts";
import { toFailure, VaultError } from "./errors.ts";
import { failureOfEvent, openOutcome } from "./flow.ts";
import { deriveId, deriveUuid } from "./ids.ts";
import { listRecords, updateRecord, writeAhead } from "./records.ts";

test("an id is the same for the same parts and different for others", ({ expect }) => {
  expect(deriveUuid("a", "b")).toBe(deriveUuid("a", "b"));
  expect(deriveUuid("a", "b")).not.toBe(deriveUuid("ab"));
  expect(deriveId("a")).toMatch(/^[0-9a-f]{12}5[0-9a-f]{19}$/);
  // Ids are in vaults; this one guards the namespace and the derivation.
  expect(deriveUuid("a", "b")).toBe("03edec3b-c827-5ce2-9bf0-93e37a9d28ba");
});

test("a pool never runs more tasks than its width, and keeps the order of its results", async ({ expect }) => {
  let running = 0;
  let most = 0;
  const results = await mapBounded([5, 1, 4, 2, 3, 0], 3, async (steps) => {
    running += 1;
    most = Math.max(most, running);
    for (let i = 0; i < steps; i++) await Promise.resolve();
    running -= 1;
    return steps * 10;
  });
  expect(results).toEqual([50, 10, 40, 20, 30, 0]);
  expect(most).toBe(3);
});

test("a pool starts nothing after an error, and ends only when nothing runs any more", async ({ expect }) => {
  const begun: number[] = [];
  let ended = 0;
  const failing = mapBounded([0, 1, 2, 3, 4], 2, async (input) => {
    begun.push(input);
    if (input === 0) throw new Error("first");
    for (let i = 0; i < 10; i++) await Promise.resolve();
    ended += 1;
  });
  await expect(failing).rejects.toThrow("first");
  expect(begun).toEqual([0, 1]);
  expect(ended).toBe(1);
});

test("the message of an error without a code is not repeated", ({ expect }) => {
  const failure = toFailure(new TypeError("https://account/c/b?sig=SECRET"));
  expect(failure).toMatchObject({ code: "internal/unexpected", message: "unexpected TypeError" });
  expect(JSON.stringify(failure)).not.toContain("SECRET");
});

test("a failure survives a round trip through JSON", ({ expect }) => {
  const error = new VaultError("instance/busy", "busy", { hint: "wait" });
  const again = VaultError.of(JSON.parse(JSON.stringify(error.toFailure())));
  expect(again).toMatchObject({ code: "instance/busy", message: "busy", hint: "wait", retryable: false });
  expect(() => openOutcome({ ok: false, failure: error.toFailure() })).toThrow(again);
  expect(openOutcome({ ok: true, value: 1 })).toBe(1);
  expect(failureOfEvent(error.toFailure())).toMatchObject({ code: "instance/busy" });
  expect(failureOfEvent(null)).toMatchObject({ code: "internal/unexpected" });
});

test("an update decides again when another writer was faster", async ({ expect }) => {
  const table = new MemoryRecords<number>();
  await table.put("p", "r", 1);
  let looks = 0;
  const result = await updateRecord(table, "p", "r", (value) => {
    looks += 1;
    if (looks === 1) void table.put("p", "r", 10);
    return value + 1;
  });
  expect(result).toBe(11);
  expect(await updateRecord(table, "p", "none", (value) => value)).toBeUndefined();
});

test("an update that never wins fails with a retryable conflict", async ({ expect }) => {
  const table = new MemoryRecords<number>();
  await table.put("p", "r", 1);
  const update = updateRecord(table, "p", "r", (value) => {
    void table.put("p", "r", value + 100);
    return value + 1;
  });
  await expect(update).rejects.toMatchObject({ code: "storage/conflict", retryable: true });
});

describe("what is written before a row", () => {
  const table = async (value?: number) => {
    const records = new MemoryRecords<number>();
    if (value !== undefined) await records.put("p", "r", value);
    return records;
  };
  const plusOne = (before: number | undefined) => (before ?? 0) + 1;

  test("exists before the row does", async ({ expect }) => {
    const records = await table();
    for (const [created, value] of [
      [true, 1],
      [false, 2],
    ]) {
      const written: [number, number | undefined][] = [];
      const result = await writeAhead(records, "p", "r", plusOne, async (ahead) => {
        written.push([ahead, (await records.get("p", "r"))?.value]);
      });
      expect(result).toEqual({ created, value });
      expect(written).toEqual([[value, created ? undefined : 1]]);
    }
  });

  test("is written again for the newest row when another writer was faster", async ({ expect }) => {
    for (const start of [undefined, 5]) {
      const records = await table(start);
      const written: number[] = [];
      const { value, created } = await writeAhead(records, "p", "r", plusOne, async (ahead) => {
        if (written.push(ahead) === 1) await records.put("p", "r", 10);
      });
      expect([value, created, written.at(-1)]).toEqual([11, false, 11]);
      expect((await records.get("p", "r"))?.value).toBe(11);
    }
  });

  test("describes the stored row when that makes the change impossible", async ({ expect }) => {
    const records = await table(1);
    const written: number[] = [];
    const decide = (before: number | undefined) => {
      if (before === 10) throw new Error("not from 10");
      return plusOne(before);
    };
    const change = writeAhead(records, "p", "r", decide, async (ahead) => {
      if (written.push(ahead) === 1) await records.put("p", "r", 10);
    });
    await expect(change).rejects.toThrow("not from 10");
    expect(written).toEqual([2, 10]);
  });

  test("is not written for a refused change, and the row is unchanged when writing it fails", async ({ expect }) => {
    const records = await table(1);
    const fail = (message: string) => () => {
      throw new Error(message);
    };
    const written: number[] = [];
    const refused = writeAhead(records, "p", "r", fail("refused"), async (ahead) => void written.push(ahead));
    await expect(refused).rejects.toThrow("refused");
    await expect(writeAhead(records, "p", "r", plusOne, async () => fail("full")())).rejects.toThrow("full");
    expect(written).toEqual([]);
    expect((await records.get("p", "r"))?.value).toBe(1);
  });
});

test("lists all pages to the end", async ({ expect }) => {
  const table = new MemoryRecords<number>();
  for (let i = 0; i < 2_345; i++) await table.put("p", `r${String(i).padStart(5, "0")}`, i);
  const values: number[] = [];
  for await (const { value } of listRecords(table, "p", "r0")) values.push(value);
  expect(values).toHaveLength(2_345);
  expect(values).toEqual(values.toSorted((a, b) => a - b));
});
