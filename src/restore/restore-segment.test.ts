import { describe, test } from "vitest";
import { type Contents, RestoreWorld } from "../../test/support/restore-world.ts";
import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import type { RecordTable } from "../foundation/records.ts";
import { workRows } from "../jobs/work.ts";
import { sealPath } from "../vault/names.ts";
import type { RestoreOutcome, RestoreTarget } from "./restore-target.ts";

/** Blobs `n000`, `n001` and so on. */
function blobs(count: number): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: count }, (_, i) => [`n${String(i).padStart(3, "0")}`, `content ${i}`]),
  );
}

function lengthOf(contents: Contents): number {
  return Object.values(contents).reduce((sum, names) => sum + Object.keys(names).length, 0);
}

/** A target whose copies are answered by a function. */
function copiesThrough(copy: (name: string, copyNow: () => Promise<RestoreOutcome>) => Promise<RestoreOutcome>) {
  return (target: RestoreTarget): RestoreTarget => ({
    look: (container, job) => target.look(container, job),
    createContainer: (container, job) => target.createContainer(container, job),
    finishContainer: (container, job, properties) => target.finishContainer(container, job, properties),
    listPages: (container, from) => target.listPages(container, from),
    contentMd5: (container, name) => target.contentMd5(container, name),
    copyObject: (path, container, entry, shouldContinue) =>
      copy(entry.name, () => target.copyObject(path, container, entry, shouldContinue)),
  });
}

test("a segment that takes too long is continued, and every blob is copied once", async ({ expect }) => {
  let copies = 0;
  const world = await RestoreWorld.of(
    { raw: blobs(40) },
    {
      segmentEntries: 20,
      settings: { budgetMs: 8, sliceEntries: 3 },
      target: copiesThrough((_, copyNow) => {
        copies += 1;
        return copyNow();
      }),
    },
  );
  await world.begin();
  expect(await world.deliverAll()).toBeGreaterThan(8);
  expect(await world.end()).toBe("Completed");
  expect(world.restored()).toEqual(world.contents);
  expect(copies).toBe(40);
  const { totals } = await world.job();
  expect(totals).toMatchObject({ listed: 40, copied: 40, unchanged: 0, entries: 40 });
  expect(totals?.copiedBytes).toBe(totals?.bytes);
});

test("however little time a worker has, each message makes progress", async ({ expect }) => {
  const world = await RestoreWorld.of(
    { raw: blobs(9) },
    { segmentEntries: 9, settings: { budgetMs: 0, sliceEntries: 2 } },
  );
  await world.begin();
  // One for the container's plan, and one per blob.
  expect(await world.deliverAll()).toBe(10);
  expect(await world.end()).toBe("Completed");
  expect(world.restored()).toEqual(world.contents);
});

test("slices have a maximum of bytes too", async ({ expect }) => {
  const contents = { raw: Object.fromEntries(["a", "b", "c", "d"].map((name) => [name, name.repeat(100)])) };
  const world = await RestoreWorld.of(contents, { segmentEntries: 4, settings: { sliceBytes: 150 } });
  await world.begin();
  await world.deliver();
  let looks = 0;
  const get = world.jobs.get.bind(world.jobs);
  world.jobs.get = (partition, row) => {
    looks += 1;
    return get(partition, row);
  };
  await world.deliver();
  // At the start, and after each of two slices.
  expect(looks).toBe(3);
  expect(await world.end()).toBe("Completed");
});

test("a slow slice stops when the time ends", async ({ expect }) => {
  const world = await RestoreWorld.of({ raw: blobs(30) }, { segmentEntries: 30, settings: { budgetMs: 20 } });
  await world.begin();
  expect(await world.deliverAll()).toBeGreaterThan(2);
  expect(await world.end()).toBe("Completed");
  expect(world.restored()).toEqual(world.contents);
});

test("a copy without time left is continued by the next message", async ({ expect }) => {
  let tries = 0;
  const world = await RestoreWorld.of(
    { raw: blobs(6) },
    {
      segmentEntries: 6,
      target: copiesThrough(async (name, copyNow) => {
        if (name !== "n003" || ++tries === 4) return copyNow();
        return { kind: "unfinished" };
      }),
    },
  );
  await world.begin();
  expect(await world.deliverAll()).toBe(5);
  expect(await world.end()).toBe("Completed");
  expect(world.restored()).toEqual(world.contents);
  expect((await world.job()).totals).toMatchObject({ copied: 6 });
});

test("the next message waits for a blob that another worker still copies", async ({ expect }) => {
  let listings = 0;
  const world = await RestoreWorld.of(
    { raw: blobs(6) },
    {
      segmentEntries: 6,
      target: (target) => ({
        ...copiesThrough((_, copyNow) => copyNow())(target),
        async *listPages(container, from) {
          const isEarly = ++listings <= 4;
          for await (const page of target.listPages(container, from)) {
            yield page.map((blob) => (isEarly && blob.name === "n003" ? { ...blob, isWhole: false } : blob));
          }
        },
      }),
    },
  );
  expect(await world.run()).toBe("Completed");
  // Three messages find the running copy, the first of them twice; the last needs no second listing.
  expect(listings).toBe(5);
});

test("the pool retries throttled copies, and the job shows it", async ({ expect }) => {
  let refused = 0;
  const world = await RestoreWorld.of(
    { raw: blobs(20) },
    {
      segmentEntries: 20,
      settings: { noteEveryMs: 0 },
      target: copiesThrough(async (_, copyNow) => {
        if (refused++ < 2) throw new VaultError("storage/throttled", "slow down");
        return copyNow();
      }),
    },
  );
  const notes: unknown[] = [];
  const put = world.work.replace.bind(world.work);
  world.work.replace = async (partition, row, value, etag) => {
    if (value.kind === "running") notes.push(value.pressure?.last?.code);
    await put(partition, row, value, etag);
  };
  await world.begin();
  expect(await world.deliverAll()).toBe(2);
  expect(await world.end()).toBe("Completed");
  expect(notes).toContain("storage/throttled");
});

test("a cancelled job's workers stop at the end of their slice", async ({ expect }) => {
  let copies = 0;
  const world: RestoreWorld = await RestoreWorld.of(
    { curated: blobs(30), raw: blobs(30) },
    {
      segmentEntries: 30,
      settings: { sliceEntries: 5 },
      target: copiesThrough(async (_, copyNow) => {
        if (++copies === 7) await world.cancel();
        return copyNow();
      }),
    },
  );
  await world.begin();
  expect(await world.deliverAll()).toBe(4);
  expect(copies).toBe(10);
  expect(world.events).toEqual([]);
  expect(lengthOf(world.restored())).toBe(10);
});

test("a foreign blob in the target is neither overwritten nor counted as restored", async ({ expect }) => {
  const world = await RestoreWorld.of({ raw: blobs(6) });
  await world.begin();
  world.target.write("raw", "n003", "a stranger's");
  await expect(world.deliverAll()).rejects.toMatchObject({
    code: "restore/target-changed",
    message: "'n003' in 'raw' does not match the recovery point",
  });
  expect(world.target.container("raw").get("n003")?.content).toBe("a stranger's");
});

test("a blob that is deleted again is reported", async ({ expect }) => {
  const world: RestoreWorld = await RestoreWorld.of(
    { raw: blobs(6) },
    {
      segmentEntries: 6,
      target: copiesThrough(async (name, copyNow) => {
        if (name === "n005") world.target.container("raw").delete("n000");
        return copyNow();
      }),
    },
  );
  await expect(world.run()).rejects.toMatchObject({
    code: "restore/verification-failed",
    message: "'n000' was not found in 'raw' after its copy",
  });
});

test("an index that does not match its seal is refused", async ({ expect }) => {
  const world = await RestoreWorld.of({ raw: blobs(6) });
  const path = sealPath("point");
  const file = world.vault.files.get(path);
  if (file === undefined) throw new Error("there is no seal");
  const content = file.content.replace('"entries":6', '"entries":7');
  world.vault.files.set(path, { ...file, content });
  await expect(world.run()).rejects.toMatchObject({ code: "format/corrupt" });
});

test("messages, rows read and reads of the vault do not grow with the container", async ({ expect }) => {
  const many = Object.fromEntries(Array.from({ length: 1_500 }, (_, i) => [`n${String(i).padStart(4, "0")}`, ""]));
  const world = await RestoreWorld.of({ raw: many }, { segmentEntries: 1 });
  const looked: number[] = [];
  const list: RecordTable<unknown>["list"] = world.work.list.bind(world.work);
  world.work.list = async (partition, options) => {
    const page = await list(partition, options);
    looked.push(page.records.length);
    return page as never;
  };
  const read: string[] = [];
  const readNow = world.vault.read.bind(world.vault);
  world.vault.read = (path) => {
    read.push(path);
    return readNow(path);
  };

  await world.begin();
  let deepest = 0;
  let delivered = 0;
  for (; world.queue.length > 0; delivered++) {
    deepest = Math.max(deepest, world.queue.length);
    await world.deliver();
  }
  expect(delivered).toBe(1_501);
  expect(deepest).toBe(256);
  expect(Math.max(...looked)).toBe(100);
  expect(read.filter((path) => path.endsWith("index.json"))).toHaveLength(1);
  // Once for the begin, once for the plan, and once for all workers.
  expect(read.filter((path) => path.startsWith("recovery-points/"))).toHaveLength(3);
  expect(world.events).toEqual(["restored.raw"]);
  expect(await world.end()).toBe("Completed");
  expect((await world.job()).totals).toMatchObject({ entries: 1_500, copied: 1_500 });
});

test("a segment reports the progress of all its attempts, and leaves no progress row when it is done", async ({
  expect,
}) => {
  const world = await RestoreWorld.of(
    { raw: blobs(12) },
    { segmentEntries: 12, settings: { budgetMs: 0, sliceEntries: 4, noteEveryMs: 0 } },
  );
  const row = workRows.running("raw", "000000", 0);
  await world.begin();
  const seen: (number | undefined)[] = [];
  while (world.queue.length > 0) {
    await world.deliver();
    const note = (await world.work.get("restore", row))?.value;
    seen.push(note?.kind === "running" ? note.totals.copied : undefined);
  }
  const noted = seen.filter((copied) => copied !== undefined);
  expect(noted).toEqual(noted.toSorted((a, b) => a - b));
  expect(new Set(noted).size).toBeGreaterThan(3);
  expect([seen[0], seen.at(-1)]).toEqual([undefined, undefined]);
});

test("a blob of another length does not count as restored where there is no MD5", async ({ expect }) => {
  const world = await RestoreWorld.of(
    { raw: blobs(6) },
    {
      target: (target) => ({
        ...copiesThrough((_, copyNow) => copyNow())(target),
        async *listPages(container, from) {
          for await (const page of target.listPages(container, from)) {
            yield page.map(({ md5: _, ...blob }) => blob);
          }
        },
      }),
    },
  );
  await world.begin();
  world.target.write("raw", "n003", "longer than it was");
  await expect(world.deliverAll()).rejects.toMatchObject({ code: "restore/target-changed" });
});

test("a segment without any copy fails with the reason, and one with some copies is continued", async ({ expect }) => {
  const refusing = (isRefused: (name: string) => boolean) =>
    copiesThrough(async (name, copyNow) => {
      if (isRefused(name)) throw new VaultError("storage/unavailable", "the target cannot be reached");
      return copyNow();
    });
  const away = await RestoreWorld.of({ raw: blobs(6) }, { retryForMs: 0, target: refusing(() => true) });
  await away.begin();
  await away.deliver();
  await expect(away.deliver()).rejects.toMatchObject({ code: "storage/unavailable" });

  let refused = 0;
  const some = await RestoreWorld.of(
    { raw: blobs(6) },
    { retryForMs: 0, segmentEntries: 6, target: refusing((name) => name === "n003" && ++refused < 3) },
  );
  await some.begin();
  expect(await some.deliverAll()).toBeGreaterThan(2);
  expect(await some.end()).toBe("Completed");
  expect(some.restored()).toEqual(some.contents);
});

test.for([
  { container: "other", segment: 0, message: "the recovery point does not hold container 'other'" },
  { container: "raw", segment: 2, message: "container 'raw' has no segment 2" },
])("a message about '$container' and segment $segment, which there is not, is refused", async (what, { expect }) => {
  const world = await RestoreWorld.of({ raw: blobs(6) });
  await world.begin();
  const { container, segment, message } = what;
  world.queue.splice(0, world.queue.length, { vault: "vault", job: "restore", container, segment, lanes: 1 });
  await expect(world.deliver()).rejects.toMatchObject({ code: "format/corrupt", message });
});

describe("whether a blob of the right length is the right one", () => {
  /** Restores one blob whose MD5 in the target's listing is this. @returns how often its content was read */
  async function contentReads(listed: (md5: string | undefined) => string | undefined, real?: string): Promise<number> {
    let reads = 0;
    const world = await RestoreWorld.of(
      { raw: { a: "content" } },
      {
        target: (target) => ({
          ...copiesThrough((_, copyNow) => copyNow())(target),
          async *listPages(container, from) {
            for await (const page of target.listPages(container, from)) {
              yield page.map(({ md5, ...blob }) => ({ ...blob, ...present({ md5: listed(md5) }) }));
            }
          },
          contentMd5: async (container, name) => {
            reads += 1;
            return real ?? target.contentMd5(container, name);
          },
        }),
      },
    );
    await world.run();
    return reads;
  }

  test("is decided by its MD5, when both have the same", async ({ expect }) => {
    expect(await contentReads((md5) => md5)).toBe(0);
  });

  test("is assumed where the target has no MD5", async ({ expect }) => {
    expect(await contentReads(() => undefined)).toBe(0);
    expect(await contentReads(() => "")).toBe(0);
  });

  test("is decided by its content, when the MD5s differ", async ({ expect }) => {
    expect(await contentReads(() => "from its writer")).toBe(1);
    await expect(contentReads(() => "from its writer", "another")).rejects.toMatchObject({
      code: "restore/target-changed",
      message: "'a' in 'raw' does not match the recovery point",
      hint: expect.stringContaining("something else writes"),
    });
  });
});

test("a segment's listing of the target ends with the segment", async ({ expect }) => {
  const pages: string[][] = [];
  const world = await RestoreWorld.of(
    { raw: blobs(12) },
    {
      segmentEntries: 4,
      pageSize: 2,
      target: (target) => ({
        ...copiesThrough((_, copyNow) => copyNow())(target),
        async *listPages(container, from) {
          const own: string[] = [];
          pages.push(own);
          for await (const page of target.listPages(container, from)) {
            own.push(...page.map(({ name }) => name));
            yield page;
          }
        },
      }),
    },
  );
  await world.begin();
  // The whole container was restored by earlier messages.
  for (const [name, content] of Object.entries(blobs(12))) world.target.write("raw", name, content);
  expect(await world.deliverAll()).toBe(4);
  const names = Object.keys(blobs(12));
  expect(pages).toEqual([names.slice(0, 4), names.slice(4, 8), names.slice(8)]);
  expect(await world.end()).toBe("Completed");
});

test("a message for a job that is not a restore does nothing", async ({ expect }) => {
  const world = await RestoreWorld.of({ raw: blobs(3) });
  await world.begin();
  await world.deliver();
  const request = { kind: "backup", slot: "2026-01-01T00:00:00.000Z", rule: "BackupDaily" } as const;
  await world.jobs.put("vault", "restore", { ...(await world.job()), request });
  await world.deliver();
  expect([world.queue, world.events]).toEqual([[], []]);
  expect(world.target.container("raw").size).toBe(0);
});

describe("a listing of the target that has no time", () => {
  /** @param failing - ordinals of the listings that the service refuses as long as there is time */
  async function refusing(failing: number) {
    let listings = 0;
    let isBusy = true;
    const world = await RestoreWorld.of(
      { raw: blobs(3) },
      {
        settings: { budgetMs: 40 },
        target: (target) => ({
          ...copiesThrough((_, copyNow) => copyNow())(target),
          listPages: (container, from) => {
            listings += 1;
            if (isBusy && listings >= failing) throw new VaultError("storage/throttled", "the target is busy");
            return target.listPages(container, from);
          },
        }),
      },
    );
    await world.begin();
    await world.deliver();
    await world.deliver();
    const left = [...world.queue];
    isBusy = false;
    await world.deliverAll();
    return { left, status: await world.end() };
  }

  test.for([1, 2])("is left to the next message, whichever it is (%i)", async (failing, { expect }) => {
    const { left, status } = await refusing(failing);
    expect(left).toMatchObject([{ container: "raw", segment: 0 }]);
    expect(status).toBe("Completed");
  });
});

test("a repeated message does not read its restored segment again", async ({ expect }) => {
  let listings = 0;
  const world = await RestoreWorld.of(
    { raw: blobs(3) },
    {
      target: (target) => ({
        ...copiesThrough((_, copyNow) => copyNow())(target),
        listPages: (container, from) => {
          listings += 1;
          return target.listPages(container, from);
        },
      }),
    },
  );
  await world.begin();
  await world.deliver();
  await world.deliver(0, true);
  expect(listings).toBe(2);
  await world.deliver();
  expect(listings).toBe(2);
  expect(world.events).toEqual(["restored.raw", "restored.raw"]);
});

test.for([
  {
    outcome: { kind: "missing" } as const,
    message: "the vault has no object for 'n001' in container 'raw'",
    hint: "use another recovery point",
  },
  {
    outcome: { kind: "unreadable", message: "it is archived" } as const,
    message: "the object of 'n001' in container 'raw' cannot be read: it is archived",
    hint: "online access tier",
  },
])("an object that is $outcome.kind says so, and what to do", async ({ outcome, message, hint }, { expect }) => {
  const world = await RestoreWorld.of(
    { raw: blobs(3) },
    { target: copiesThrough(async (name, copyNow) => (name === "n001" ? outcome : copyNow())) },
  );
  await expect(world.run()).rejects.toMatchObject({
    code: "format/missing",
    message,
    hint: expect.stringContaining(hint),
  });
});
