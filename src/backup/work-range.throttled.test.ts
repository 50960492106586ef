/**
 * @module
 * Pieces of ranges while the storage accounts refuse many requests.
 */
import { describe, test } from "vitest";
import type { CopyMessage } from "../../test/support/lake-activities.ts";
import type { MemoryBlob } from "../../test/support/memory-account.ts";
import { MemoryLake } from "../../test/support/memory-lake.ts";
import { seededRandom } from "../../test/support/seeded-random.ts";
import { VaultError } from "../foundation/errors.ts";
import { type PieceRecord, workRows } from "../jobs/work.ts";
import type { RangeMessage } from "./messages.ts";
import { RANGE_SETTINGS } from "./range-settings.ts";
import { workRange } from "./work-range.ts";

const BLOBS = 5_000;
/** Duration of one of several concurrent requests. */
const REQUEST_MS = 20;

const busy = () => new VaultError("storage/throttled", "the vault account is asked for more than it can do");
const away = () => new VaultError("storage/unavailable", "the vault account cannot be reached");

const nameOf = (n: number): string => `n${String(n).padStart(6, "0")}`;

/** A lake of one page of small blobs; some of their copies are refused. @param refuses - called at each attempt */
async function openLake(refuses: (name: string) => Error | undefined, blobs = BLOBS): Promise<MemoryLake> {
  const lake = new MemoryLake({ retryForMs: 120_000, tickMs: 0, settings: { noteEveryMs: 1_000 } });
  lake.source.createContainer("raw");
  for (let n = 0; n < blobs; n++) lake.source.write("raw", nameOf(n), `content ${n}`);
  const copyNow = lake.vault.copyObject.bind(lake.vault);
  lake.vault.copyObject = async (version, ...rest) => {
    lake.pass(REQUEST_MS);
    const error = refuses(version.name);
    if (error !== undefined) throw error;
    return copyNow(version, ...rest);
  };
  await lake.protect();
  return lake;
}

async function restored(lake: MemoryLake, point: string): Promise<Record<string, string>> {
  await lake.restore("restore", point);
  return Object.fromEntries([...lake.target.container("raw")].map(([name, { content }]) => [name, content]));
}

/** Delivers the first range of a backup, of one container. @returns its first piece, and the messages that follow */
async function deliverFirst(
  lake: MemoryLake,
): Promise<{ readonly piece: PieceRecord; readonly followers: CopyMessage[] }> {
  const [first] = await lake.beginBackup(await lake.requestBackup("job"));
  if (first === undefined) throw new Error("there is no range");
  const followers = await lake.deliver(first);
  const piece = (await lake.work.get("job", workRows.piece("raw", "000000", 0)))?.value;
  if (piece?.kind !== "piece") throw new Error("the piece left no result");
  return { piece, followers };
}

const isRange = (message: object): message is RangeMessage => "range" in message;

test("under heavy throttling a piece of small blobs stops in time, keeps its results, and leaves the rest", async ({
  expect,
}) => {
  const chance = seededRandom(1);
  let isBusy = true;
  const lake = await openLake(() => (isBusy && chance() < 0.9 ? busy() : undefined));
  const ref = await lake.requestBackup("job");
  const [first] = await lake.beginBackup(ref);
  if (first === undefined) throw new Error("there is no range");
  const begunAt = lake.now;
  const followers = await lake.deliver(first);
  // One request may be running when the time is over; then a place to split is searched.
  expect(lake.now - begunAt).toBeLessThanOrEqual(RANGE_SETTINGS.budgetMs + 2_000);
  expect(lake.now - begunAt).toBeGreaterThan(RANGE_SETTINGS.budgetMs - 10_000);
  const piece = (await lake.work.get("job", workRows.piece("raw", "000000", 0)))?.value;
  if (piece?.kind !== "piece") throw new Error("the piece left no result");
  expect(piece.totals.copied).toBeGreaterThan(5);
  expect(piece.totals.copied).toBeLessThan(BLOBS);
  expect(followers.filter(isRange).length).toBe(2);

  isBusy = false;
  await lake.deliverAll(followers);
  await lake.seal(ref);
  const { recoveryPoint, totals } = await lake.job("job");
  expect(totals).toMatchObject({ entries: BLOBS });
  const contents = await restored(lake, recoveryPoint?.id ?? "");
  expect(Object.keys(contents).length).toBe(BLOBS);
  for (let n = 0; n < BLOBS; n += 97) expect(contents[nameOf(n)]).toBe(`content ${n}`);
});

test("copies beyond the place where a piece stopped are recorded, so that they can be swept", async ({ expect }) => {
  const lake = await openLake((name) => (name === nameOf(3) ? busy() : undefined), 100);
  const { piece } = await deliverFirst(lake);
  expect(piece).toMatchObject({ to: { name: nameOf(3), after: false }, totals: { copied: 3 } });
  expect(await lake.work.get("job", workRows.repeat("raw", "000000", 0))).toBeDefined();
});

describe("a copy whose answer was lost is recorded, so that it can be swept,", () => {
  /**
   * The first piece of four blobs; some copies of the last are made and then reported as failed.
   *
   * @param before - runs before each of them
   */
  async function copied(
    before: (lake: MemoryLake, tries: number) => void,
    fails: (tries: number) => boolean,
  ): Promise<{ readonly piece: PieceRecord; readonly isNoted: boolean }> {
    const lake = await openLake(() => undefined, 4);
    const copyNow = lake.vault.copyObject.bind(lake.vault);
    let tries = 0;
    lake.vault.copyObject = async (version, ...rest) => {
      if (version.name !== nameOf(3)) return copyNow(version, ...rest);
      tries += 1;
      const tried = tries;
      before(lake, tried);
      const outcome = await copyNow(version, ...rest);
      if (fails(tried)) throw away();
      return outcome;
    };
    const { piece } = await deliverFirst(lake);
    const isNoted = (await lake.work.get("job", workRows.repeat("raw", "000000", 0))) !== undefined;
    return { piece, isNoted };
  }

  const always = () => true;
  const nothing = () => undefined;

  test("when the piece stops at it", async ({ expect }) => {
    const stop = (lake: MemoryLake): void => {
      lake.isStopping = true;
    };
    const { piece, isNoted } = await copied(stop, always);
    expect(piece).toMatchObject({ to: { name: nameOf(3), after: false }, totals: { copied: 3 } });
    expect(isNoted).toBe(true);
  });

  test("when the blob becomes a warning", async ({ expect }) => {
    const { piece, isNoted } = await copied(nothing, always);
    expect(piece.warnings).toMatchObject({ count: 1 });
    expect(isNoted).toBe(true);
  });

  test("when the next attempt finds another version", async ({ expect }) => {
    const replace = (lake: MemoryLake, tries: number): void => {
      if (tries === 2) lake.source.write("raw", nameOf(3), "another");
    };
    const { piece, isNoted } = await copied(replace, (tries) => tries === 1);
    expect(piece.totals).toMatchObject({ copied: 4, changedDuringCopy: 1 });
    expect(isNoted).toBe(true);
  });

  test("when it was of another version, and the next attempt finds the first again", async ({ expect }) => {
    let first: MemoryBlob | undefined;
    const replaceAndUndelete = (lake: MemoryLake, tries: number): void => {
      const blobs = lake.source.container("raw");
      if (tries === 1) {
        first = blobs.get(nameOf(3));
        lake.source.write("raw", nameOf(3), "another");
      }
      if (tries === 3 && first !== undefined) blobs.set(nameOf(3), first);
    };
    const { piece, isNoted } = await copied(replaceAndUndelete, (tries) => tries === 2);
    expect(piece.totals).toMatchObject({ copied: 4, changedDuringCopy: 0 });
    expect(isNoted).toBe(true);
  });

  test("but not when the next attempt finds it done", async ({ expect }) => {
    const { piece, isNoted } = await copied(nothing, (tries) => tries === 1);
    expect(piece.totals).toMatchObject({ copied: 4, changedDuringCopy: 0 });
    expect(isNoted).toBe(false);
  });
});

test("a piece that stops after all its started copies leaves nothing to sweep", async ({ expect }) => {
  const lake = await openLake(() => {
    lake.pass(100_000);
    return undefined;
  }, 100);
  const { piece } = await deliverFirst(lake);
  expect(piece.totals.copied).toBeGreaterThan(2);
  expect(piece.rest).toBeDefined();
  expect(await lake.work.get("job", workRows.repeat("raw", "000000", 0))).toBeUndefined();
});

test("a piece without a result fails with the reason, and is delivered again", async ({ expect }) => {
  const lake = await openLake(busy, 100);
  const ref = await lake.requestBackup("job");
  const [first] = await lake.beginBackup(ref);
  if (first === undefined) throw new Error("there is no range");
  await expect(lake.deliver(first)).rejects.toMatchObject({ code: "storage/throttled" });
  expect(await lake.work.get("job", workRows.piece("raw", "000000", 0))).toBeUndefined();
});

test("a progress row that cannot be written costs nothing, and repeats no copy", async ({ expect }) => {
  let copies = 0;
  let notes = 0;
  const lake = await openLake(() => {
    copies += 1;
    lake.pass(1_000);
    return undefined;
  }, 100);
  const replaceNow = lake.work.replace.bind(lake.work);
  lake.work.replace = async (partition, row, value, etag) => {
    if (value.kind !== "running") return replaceNow(partition, row, value, etag);
    notes += 1;
    throw away();
  };
  const point = await lake.backup("job");
  expect(notes).toBeGreaterThan(5);
  expect(copies).toBe(100);
  expect(lake.deps.pool().pressure).toEqual({ width: 8, widest: 8, halvings: 0 });
  expect(Object.keys(await restored(lake, point)).length).toBe(100);
});

test("nothing waits for a progress row", async ({ expect }) => {
  const lake = await openLake(() => {
    lake.pass(1_000);
    return undefined;
  }, 100);
  const replaceNow = lake.work.replace.bind(lake.work);
  let notes = 0;
  lake.work.replace = (partition, row, value, etag) => {
    if (value.kind !== "running") return replaceNow(partition, row, value, etag);
    notes += 1;
    return new Promise(() => undefined);
  };
  await lake.backup("job");
  expect(notes).toBe(1);
  expect((await lake.job("job")).status).toBe("Completed");
});

test("while the job's row cannot be read its pieces continue; once it is cancelled they stop", async ({ expect }) => {
  const lake = new MemoryLake({ tickMs: 0, pageSize: 5 });
  lake.source.createContainer("raw");
  for (let n = 0; n < 40; n++) lake.source.write("raw", nameOf(n), "content");
  await lake.protect();
  const ref = await lake.requestBackup("job");
  const [first] = await lake.beginBackup(ref);
  if (first === undefined) throw new Error("there is no range");
  const getNow = lake.jobs.get.bind(lake.jobs);
  let reads = 0;
  lake.jobs.get = async (partition, row) => {
    reads += 1;
    // The first read is the worker's own, at its start.
    if (reads > 1 && reads <= 4) throw away();
    const stored = await getNow(partition, row);
    if (reads <= 4 || stored === undefined) return stored;
    return { ...stored, value: { ...stored.value, status: "Cancelling" } };
  };
  expect(await lake.deliver(first)).toEqual([]);
  expect(reads).toBe(5);
  // Four pages of five names; the first name is the marker's.
  expect(lake.vault.written.filter((path) => path.startsWith("data/")).length).toBe(19);
});

test("a range for which a busy account finds no place to split is processed whole", async ({ expect }) => {
  const chance = seededRandom(2);
  const lake = await openLake(() => (chance() < 0.9 ? busy() : undefined));
  const ref = await lake.requestBackup("job");
  const [first] = await lake.beginBackup(ref);
  if (first === undefined) throw new Error("there is no range");
  const list = lake.work.list.bind(lake.work);
  let refused = 0;
  lake.work.list = (partition, options) => {
    if (options?.prefix?.startsWith("tally") !== true) return list(partition, options);
    refused += 1;
    return Promise.reject(away());
  };
  const followers = await lake.deliver(first);
  expect(refused).toBe(1);
  expect(followers).toMatchObject([{ range: "000000", piece: 1 }]);
});

test("a page that spans many segments ends a piece between two of them, when reading them takes long", async ({
  expect,
}) => {
  const lake = new MemoryLake({ tickMs: 0, settings: { segmentSizes: { usual: 4, largest: 8, small: 2 } } });
  lake.source.createContainer("raw");
  for (let n = 0; n < 80; n++) lake.source.write("raw", nameOf(n), `content ${n}`);
  await lake.protect();
  await lake.backup("first");
  lake.source.write("raw", nameOf(3), "changed");
  lake.source.write("raw", nameOf(50), "changed too");
  const readNow = lake.vault.read.bind(lake.vault);
  lake.vault.read = (path) => {
    if (path.endsWith(".ndjson.gz")) lake.pass(50_000);
    return readNow(path);
  };
  const ref = await lake.requestBackup("second");
  const [first] = await lake.beginBackup(ref);
  if (first === undefined) throw new Error("there is no range");
  const begunAt = lake.now;
  const followers = await lake.deliver(first);
  expect(lake.now - begunAt).toBeLessThanOrEqual(RANGE_SETTINGS.budgetMs + 50_000 + RANGE_SETTINGS.splitMs);
  expect(followers.filter(isRange).length).toBeGreaterThan(0);
  lake.vault.read = readNow;
  await lake.deliverAll(followers);
  await lake.seal(ref);
  const { recoveryPoint, totals } = await lake.job("second");
  expect(totals).toMatchObject({ entries: 80, copied: 2, unchanged: 78, removed: 0 });
  const contents = await restored(lake, recoveryPoint?.id ?? "");
  const held = [...lake.source.container("raw")].map(([name, { content }]) => [name, content]);
  expect(contents).toEqual(Object.fromEntries(held));
});

test("the search for a place to split has a time limit", async ({ expect }) => {
  const lake = await openLake(() => {
    lake.pass(1_000);
    return undefined;
  });
  const ref = await lake.requestBackup("job");
  const [first] = await lake.beginBackup(ref);
  if (first === undefined) throw new Error("there is no range");
  const slow = lake.deps.datasource();
  const listNow = slow.listPages.bind(slow);
  let probes = 0;
  slow.listPages = (container, options) => {
    if (options.pageSize === 1) {
      probes += 1;
      lake.pass(10_000);
    }
    return listNow(container, options);
  };
  const { ranges } = await workRange({ ...lake.deps, datasource: () => slow }, first);
  expect(ranges.length).toBeGreaterThan(0);
  // Two in 15 s, and one for the marker that the first of them found.
  expect(probes).toBeLessThanOrEqual(4);
  expect(probes).toBeGreaterThan(0);
});
