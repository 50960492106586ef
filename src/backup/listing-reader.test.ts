import fc from "fast-check";
import { test } from "vitest";
import { LISTING_ORDERS, nameComparator } from "../vault/listing-order.ts";
import type { ListedBlob } from "./datasource.ts";
import { ListingReader } from "./listing-reader.ts";

function blob(name: string): ListedBlob {
  return { name, etag: "e", size: 1, modified: "m" };
}

async function* pagesOf(...pages: readonly (readonly string[])[]): AsyncGenerator<ListedBlob[], void, undefined> {
  for (const page of pages) yield page.map(blob);
}

const name = fc.string({ unit: fc.constantFrom("a", "b", "/", "-"), minLength: 1, maxLength: 3 });

test("parts end at the given names, and together are the listing", async ({ expect }) => {
  let stretches = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...LISTING_ORDERS),
      fc.uniqueArray(name, { maxLength: 20 }),
      fc.uniqueArray(name, { maxLength: 5 }),
      fc.array(fc.nat(4), { minLength: 20, maxLength: 20 }),
      async (order, names, ends, sizes) => {
        const compare = nameComparator(order);
        const left = names.toSorted(compare);
        const pages: string[][] = sizes.map((size) => left.splice(0, size));
        pages.push(left);

        const reader = new ListingReader(pagesOf(...pages), compare);
        const read: string[] = [];
        for (const until of [...ends.toSorted(compare), undefined]) {
          for (;;) {
            const { blobs, atEnd, pageEnded } = await reader.take(until);
            stretches += 1;
            for (const each of blobs) {
              if (until !== undefined) expect(compare(each.name, until)).toBeLessThan(0);
              read.push(each.name);
            }
            expect(reader.lastName).toBe(read.at(-1));
            if (!atEnd) expect(pageEnded).toBe(true);
            if (atEnd) break;
          }
          const later = names.filter((each) => !read.includes(each));
          for (const each of later) expect(compare(each, until ?? "")).toBeGreaterThanOrEqual(0);
          if (until === undefined) expect(later).toEqual([]);
        }
        expect(read).toEqual(names.toSorted(compare));
      },
    ),
    { numRuns: 300 },
  );
  expect(stretches).toBeGreaterThan(300);
});

test("a listing out of order is refused, within a page and between pages", async ({ expect }) => {
  const compare = nameComparator("utf-16");
  const refused = { code: "listing/out-of-order" };
  await expect(new ListingReader(pagesOf(["b", "a"]), compare).take(undefined)).rejects.toMatchObject(refused);
  const reader = new ListingReader(pagesOf(["a", "b"], [], ["b"]), compare);
  await reader.take(undefined);
  await reader.take(undefined);
  await expect(reader.take(undefined)).rejects.toMatchObject(refused);
});

test("an error of the listing is thrown where its page is taken, not before", async ({ expect }) => {
  async function* failing(): AsyncGenerator<ListedBlob[], void, undefined> {
    yield [blob("a")];
    throw new Error("the second page");
  }
  const reader = new ListingReader(failing(), nameComparator("utf-16"));
  expect((await reader.take(undefined)).blobs).toEqual([blob("a")]);
  await expect(reader.take(undefined)).rejects.toThrow("the second page");
});

test("at most one page is requested ahead, and a closed reader closes its listing", async ({ expect }) => {
  let asked = 0;
  let isReleased = false;
  async function* endless(): AsyncGenerator<ListedBlob[], void, undefined> {
    try {
      for (;;) yield [blob(String.fromCodePoint(0x4e00 + asked++))];
    } finally {
      isReleased = true;
    }
  }
  const reader = new ListingReader(endless(), nameComparator("utf-16"));
  await reader.take(undefined);
  await reader.take(undefined);
  expect(asked).toBe(3);
  await reader.close();
  expect(isReleased).toBe(true);
});

test("no page is requested after the one that reaches the end", async ({ expect }) => {
  let asked = 0;
  async function* counted(): AsyncGenerator<ListedBlob[], void, undefined> {
    for (const page of [["a", "b"], [], ["c", "e"], ["f"]]) {
      asked += 1;
      yield page.map(blob);
    }
  }
  const reader = new ListingReader(counted(), nameComparator("utf-16"), "d");
  const read: string[] = [];
  for (let atEnd = false; !atEnd; ) {
    const stretch = await reader.take("d");
    read.push(...stretch.blobs.map(({ name: each }) => each));
    atEnd = stretch.atEnd;
  }
  await reader.close();
  expect(read).toEqual(["a", "b", "c"]);
  expect(asked).toBe(3);
});
