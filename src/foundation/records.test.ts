import { describe, test } from "vitest";
import { MemoryRecords } from "../../test/support/memory-records.ts";
import { listRecords, readOnce, updateRecord, writeAhead } from "./records.ts";

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

describe("a partition that is read once", () => {
  async function filled(count: number): Promise<MemoryRecords<{ n: number }>> {
    const table = new MemoryRecords<{ n: number }>();
    for (let n = 0; n < count; n++) await table.insert("p", `${n % 2 === 0 ? "even" : "odd"}|${n}`, { n });
    await table.insert("q", "even|0", { n: 99 });
    return table;
  }

  test("answers as it was, whatever is written later, and other partitions as they are", async ({ expect }) => {
    const table = await filled(6);
    const once = await readOnce(table, "p");
    await table.put("p", "even|0", { n: 7 });
    await table.remove("p", "odd|1");
    await table.put("q", "even|0", { n: 100 });
    expect((await once.get("p", "even|0"))?.value).toEqual({ n: 0 });
    expect((await once.list("p", { prefix: "odd|" })).records.map(({ row }) => row)).toEqual([
      "odd|1",
      "odd|3",
      "odd|5",
    ]);
    expect((await once.list("p", { limit: 2 })).records).toHaveLength(2);
    expect(await once.get("p", "other")).toBeUndefined();
    expect((await once.get("q", "even|0"))?.value).toEqual({ n: 100 });
    expect((await once.list("q")).records.map(({ value }) => value)).toEqual([{ n: 100 }]);
  });

  test("is the table itself when it has more rows than a page", async ({ expect }) => {
    const table = await filled(1_001);
    expect(await readOnce(table, "p")).toBe(table);
  });
});
