/**
 * @module
 * What every {@link RecordTable} does, the same in memory and in Table Storage.
 */
import { describe, test } from "vitest";
import { z } from "zod";
import { mapBounded } from "../../src/foundation/bounded-pool.ts";
import { listRecords, type RecordTable, updateRecord } from "../../src/foundation/records.ts";

/** A record with all kinds of JSON. */
export const SampleRecord = z.object({
  text: z.string(),
  count: z.number().optional(),
  nested: z.object({ list: z.array(z.string().nullable()), flag: z.boolean() }).optional(),
});
export type SampleRecord = Readonly<z.infer<typeof SampleRecord>>;

/**
 * Declares the tests of the contract.
 *
 * @param open - returns an empty table at each call
 */
export function recordTableContract(name: string, open: () => Promise<RecordTable<SampleRecord>>): void {
  describe(`${name} as a record table`, () => {
    test("has no row that was not written", async ({ expect }) => {
      const table = await open();
      expect(await table.get("p", "r")).toBeUndefined();
      expect(await table.list("p")).toEqual({ records: [] });
    });

    test("returns what was written, whatever JSON it is", async ({ expect }) => {
      const table = await open();
      const value: SampleRecord = {
        text: 'quotes " and \\, line\nfeeds, Größe, 日本, 🙂',
        count: -0.5,
        nested: { list: ["", null, "x"], flag: false },
      };
      expect(await table.insert("p", "r", value)).toBe(true);
      const stored = await table.get("p", "r");
      expect(stored).toMatchObject({ row: "r", value });
      expect(stored?.etag).not.toBe("");
    });

    test("holds a record of 300,000 characters", async ({ expect }) => {
      const table = await open();
      const value = { text: "0123456789".repeat(30_000) };
      await table.put("p", "r", value);
      expect((await table.get("p", "r"))?.value).toEqual(value);
    });

    test("inserts a row once", async ({ expect }) => {
      const table = await open();
      expect(await table.insert("p", "r", { text: "first" })).toBe(true);
      expect(await table.insert("p", "r", { text: "second" })).toBe(false);
      expect((await table.get("p", "r"))?.value).toEqual({ text: "first" });
    });

    test("lets exactly one of many concurrent inserts win", async ({ expect }) => {
      const table = await open();
      const wins = await Promise.all(Array.from({ length: 8 }, (_, n) => table.insert("p", "r", { text: String(n) })));
      const winners = wins.flatMap((won, n) => (won ? [String(n)] : []));
      expect(winners).toHaveLength(1);
      expect((await table.get("p", "r"))?.value.text).toBe(winners[0]);
    });

    test("overwrites a row completely with a put", async ({ expect }) => {
      const table = await open();
      await table.put("p", "r", { text: "first", count: 1 });
      const before = await table.get("p", "r");
      await table.put("p", "r", { text: "second" });
      const after = await table.get("p", "r");
      expect(after?.value).toEqual({ text: "second" });
      expect(after?.etag).not.toBe(before?.etag);
    });

    test("separates rows with the same name in two partitions", async ({ expect }) => {
      const table = await open();
      await table.put("p", "r", { text: "p" });
      await table.put("q", "r", { text: "q" });
      expect((await table.get("p", "r"))?.value.text).toBe("p");
      expect((await table.list("q")).records.map(({ value }) => value.text)).toEqual(["q"]);
    });

    test("replaces only the state that was read", async ({ expect }) => {
      const table = await open();
      await table.put("p", "r", { text: "first" });
      const read = (await table.get("p", "r"))?.etag ?? "";
      await table.replace("p", "r", { text: "second" }, read);
      await expect(table.replace("p", "r", { text: "third" }, read)).rejects.toMatchObject({
        code: "storage/conflict",
        retryable: true,
      });
      expect((await table.get("p", "r"))?.value).toEqual({ text: "second" });
    });

    test("treats a deleted row as changed", async ({ expect }) => {
      const table = await open();
      await table.put("p", "r", { text: "first" });
      const read = (await table.get("p", "r"))?.etag ?? "";
      await table.remove("p", "r");
      await expect(table.replace("p", "r", { text: "second" }, read)).rejects.toMatchObject({
        code: "storage/conflict",
      });
      expect(await table.get("p", "r")).toBeUndefined();
    });

    test("deletes a row, and accepts one that does not exist", async ({ expect }) => {
      const table = await open();
      await table.put("p", "r", { text: "first" });
      const etag = (await table.get("p", "r"))?.etag;
      await table.remove("p", "r");
      await table.remove("p", "r");
      await table.remove("p", "never", etag);
      expect(await table.get("p", "r")).toBeUndefined();
    });

    test("deletes many rows of a partition, and accepts ones that do not exist", async ({ expect }) => {
      const table = await open();
      const rows = Array.from({ length: 230 }, (_, n) => `r${String(n).padStart(3, "0")}`);
      for (const row of rows) await table.put("p", row, { text: "one" });
      await table.put("q", "r000", { text: "one" });
      await table.removeAll("p", rows.slice(0, 120));
      await table.removeAll("p", [...rows.slice(110, 229), "never"]);
      await table.removeAll("p", ["never"]);
      await table.removeAll("p", []);
      expect((await table.list("p")).records.map(({ row }) => row)).toEqual(["r229"]);
      expect((await table.list("q")).records).toHaveLength(1);
    });

    test("deletes by ETag only the state that was read", async ({ expect }) => {
      const table = await open();
      await table.put("p", "r", { text: "first" });
      const read = (await table.get("p", "r"))?.etag ?? "";
      await table.put("p", "r", { text: "second" });
      await expect(table.remove("p", "r", read)).rejects.toMatchObject({ code: "storage/conflict" });
      await table.remove("p", "r", (await table.get("p", "r"))?.etag);
      expect(await table.get("p", "r")).toBeUndefined();
    });

    test("lists rows in ascending order", async ({ expect }) => {
      const table = await open();
      const rows = ["b", "a", "B", "a-1", "a|1", "a1", "a~", "10", "9", "a b", "ä", "$web", "a'b"];
      for (const row of rows) await table.put("p", row, { text: row });
      const listed = (await table.list("p")).records.map(({ row, value }) => [row, value.text]);
      expect(listed).toEqual([...rows].sort().map((row) => [row, row]));
    });

    test("lists the rows with a prefix, and no others", async ({ expect }) => {
      const table = await open();
      for (const row of ["a", "a|", "a|1", "a|2", "a|~", "a|é", "a}", "b|1"]) await table.put("p", row, { text: row });
      const listed = (await table.list("p", { prefix: "a|" })).records.map(({ row }) => row);
      expect(listed).toEqual(["a|", "a|1", "a|2", "a|~", "a|é"]);
    });

    test("pages through a list without gaps or duplicates", async ({ expect }) => {
      const table = await open();
      const rows = Array.from({ length: 7 }, (_, n) => `x|${n}`);
      for (const row of [...rows, "w", "y"]) await table.put("p", row, { text: row });

      const pages: string[][] = [];
      let continuation: string | undefined;
      do {
        const page = await table.list("p", {
          prefix: "x|",
          limit: 3,
          ...(continuation === undefined ? {} : { continuation }),
        });
        pages.push(page.records.map(({ row }) => row));
        continuation = page.continuation;
      } while (continuation !== undefined);
      expect(pages).toEqual([rows.slice(0, 3), rows.slice(3, 6), rows.slice(6)]);
    });

    test("continues after a page whose rows are deleted", async ({ expect }) => {
      const table = await open();
      for (const row of ["1", "2", "3", "4"]) await table.put("p", row, { text: row });
      const { records, continuation } = await table.list("p", { limit: 2 });
      expect(records.map(({ row }) => row)).toEqual(["1", "2"]);
      for (const row of ["1", "2", "3"]) await table.remove("p", row);
      const rest = await table.list("p", { continuation: continuation ?? "" });
      expect(rest.records.map(({ row }) => row)).toEqual(["4"]);
    });

    test("returns at most 1,000 rows per page, and all of them through listRecords", async ({ expect }) => {
      const table = await open();
      const rows = Array.from({ length: 1_003 }, (_, n) => String(n).padStart(5, "0"));
      await mapBounded(rows, 32, (row) => table.insert("p", row, { text: row }));
      expect((await table.list("p")).records).toHaveLength(1_000);
      const all: string[] = [];
      for await (const { row } of listRecords(table, "p")) all.push(row);
      expect(all).toEqual(rows);
    });

    test("loses no update when many change one row concurrently", async ({ expect }) => {
      const table = await open();
      await table.put("p", "r", { text: "counter", count: 0 });
      await Promise.all(
        Array.from({ length: 6 }, () =>
          updateRecord(table, "p", "r", (value) => ({ ...value, count: (value.count ?? 0) + 1 })),
        ),
      );
      expect((await table.get("p", "r"))?.value.count).toBe(6);
    });

    test.for([
      ["a slash", "a/b"],
      ["a backslash", "a\\b"],
      ["a hash", "a#b"],
      ["a question mark", "a?b"],
      ["a control character", "a\tb"],
      ["nothing", ""],
      ["513 characters", "x".repeat(513)],
    ] as const)("refuses a key with %s", async ([, key], { expect }) => {
      const table = await open();
      await expect(table.put("p", key, { text: "" })).rejects.toThrow();
      await expect(table.put(key, "r", { text: "" })).rejects.toThrow();
    });
  });
}
