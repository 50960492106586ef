import { describe, test } from "vitest";
import { MemoryRecords } from "../../test/support/memory-records.ts";
import { listRecords, updateRecord, writeAhead } from "./records.ts";

test("an update decides anew when another writer was faster", async ({ expect }) => {
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
