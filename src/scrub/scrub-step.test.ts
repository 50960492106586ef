import { createHash } from "node:crypto";
import { describe, test } from "vitest";
import { crashPoints } from "../../test/support/crash-points.ts";
import type { MemoryVault } from "../../test/support/memory-account.ts";
import { MemoryRecords } from "../../test/support/memory-records.ts";
import { MemoryScrubVault } from "../../test/support/scrub-vault.ts";
import { emptyEstate, INSTANCE, ScrubWorld } from "../../test/support/scrub-world.ts";
import { entry } from "../../test/support/written-points.ts";
import { DAY_MS } from "../foundation/durations.ts";
import type { InstanceLock } from "../jobs/job-lock.ts";
import type { JobRef } from "../jobs/job-ref.ts";
import { purgeRecoveryPoint } from "../purge/purge-recovery-point.ts";
import type { Entry } from "../vault/entry.ts";
import { ManifestCache } from "../vault/manifest-cache.ts";
import { indexPath, objectPath, purgePath, sealPath } from "../vault/names.ts";
import type { Removal, VaultFile } from "../vault/vault-files.ts";
import { scrubStepActivity } from "./scrub-step.ts";
import type { StoredFile } from "./scrub-vault.ts";

const LONG = "long".repeat(300);

/** An entry with the MD5 of its object, whose content is its ETag. */
function blob(name: string, etag: string, birth: number): Entry {
  return entry(name, etag, birth, { md5: createHash("md5").update(etag).digest("base64") });
}

/** Three points: each replaces something, takes something over, and has segments of its own and of the one before. */
async function threePoints(world = new ScrubWorld()): Promise<ScrubWorld> {
  await world.protect();
  const kept = [blob("m", "m1", 1), blob("n", "n1", 1)];
  const one = await world.point("one", 1, {
    raw: { segments: [[blob("a", "a1", 1), blob("b", "b1", 1)], kept] },
    old: { segments: [[blob("x", "x1", 1)]] },
  });
  const [, shared] = one["raw"] ?? [];
  const [gone] = one["old"] ?? [];
  if (shared === undefined || gone === undefined) throw new Error("no segments");
  const two = await world.point("two", 2, {
    raw: {
      segments: [[blob("a", "a1", 1), blob("b", "b2", 2), blob(LONG, "l2", 2)], shared, [blob("z", "z2", 2)]],
    },
    old: { segments: [gone] },
    new: { segments: [[blob("y", "y2", 2), blob("y2", "y2", 2)]] },
  });
  const [, , last] = two["raw"] ?? [];
  if (last === undefined) throw new Error("no segments");
  await world.point("three", 3, {
    // `b` is back as it was in the first point, under its old ETag: a new object.
    raw: { segments: [[blob("a", "a3", 3), blob("b", "b1", 3), blob(LONG, "l2", 2)], shared, last] },
    new: { segments: [[blob("y", "y2", 2)]] },
  });
  return world;
}

function segmentOf(world: ScrubWorld, point: string, container: string, ordinal: number): string {
  const content = world.vault.files.get(indexPath(point, container))?.content ?? "";
  return (JSON.parse(content) as { segments: { path: string }[] }).segments[ordinal]?.path ?? "";
}

function put(world: ScrubWorld, path: string, content = "debris", metadata: Record<string, string> = {}): void {
  world.vault.files.set(path, { content, etag: "0x0", modified: "2026-01-01T00:00:00.000Z", metadata });
}

function flip(world: ScrubWorld, path: string, at: number): void {
  const file = world.vault.files.get(path);
  if (file === undefined) throw new Error(`there is no '${path}'`);
  const bytes = Buffer.from(file.content, "latin1");
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  world.vault.files.set(path, { ...file, content: bytes.toString("latin1") });
}

const truncate = (world: ScrubWorld, path: string): void => {
  const file = world.vault.files.get(path);
  if (file !== undefined) world.vault.files.set(path, { ...file, content: file.content.slice(0, -1) });
};
const drop = (world: ScrubWorld, path: string): void => {
  world.vault.files.delete(path);
};

test("an undamaged vault raises nothing, marks nothing and loses nothing", async ({ expect }) => {
  const world = await threePoints();
  const before = world.paths();
  const { counts, endedAt } = await world.scrub();
  expect(endedAt).toBeDefined();
  expect(counts).toMatchObject({ points: 3, segments: 8, objects: 12, missing: 0, altered: 0, manifests: 0 });
  expect(counts).toMatchObject({ debris: 0, undecided: 0, notUnderstood: 0, files: before.length - 3 });
  expect(world.marks()).toEqual({});
  expect(world.openAlerts()).toEqual({});
  expect(world.paths()).toEqual(before);
});

describe("missing or altered files are found, reported, and mark exactly the points that need them:", () => {
  const object = (container: string, name: string, etag: string, birth: number) => () =>
    objectPath(container, name, etag, birth);
  const seal = (point: string) => () => sealPath(point);
  const index = (point: string, container: string) => () => indexPath(point, container);
  const segment = (point: string, container: string, ordinal: number) => (world: ScrubWorld) =>
    segmentOf(world, point, container, ordinal);

  type Mark = readonly [number, number, number];
  const missing: Mark = [1, 0, 0];
  const altered: Mark = [0, 1, 0];
  const manifests: Mark = [0, 0, 1];
  const alter = (world: ScrubWorld, path: string): void => flip(world, path, 0);
  const alterMiddle = (world: ScrubWorld, path: string): void =>
    flip(world, path, Math.floor((world.vault.files.get(path)?.content.length ?? 0) / 2));

  const cases: readonly [
    string,
    (world: ScrubWorld) => string,
    (world: ScrubWorld, path: string) => void,
    Readonly<Record<string, Mark>>,
  ][] = [
    [
      "an object of all points is missing",
      object("raw", "m", "m1", 1),
      drop,
      { one: missing, two: missing, three: missing },
    ],
    ["an object of two points is missing", object("raw", "a", "a1", 1), drop, { one: missing, two: missing }],
    ["an object of one point is missing", object("raw", "b", "b2", 2), drop, { two: missing }],
    ["an object that came back is missing", object("raw", "b", "b1", 3), drop, { three: missing }],
    ["an object with a hashed name is missing", object("raw", LONG, "l2", 2), drop, { two: missing, three: missing }],
    ["an object was truncated", object("raw", "z", "z2", 2), truncate, { two: altered, three: altered }],
    ["an object has other content", object("new", "y2", "y2", 2), alter, { two: altered }],
    [
      "a segment of all points is missing",
      segment("one", "raw", 1),
      drop,
      { one: manifests, two: manifests, three: manifests },
    ],
    ["a segment of two points is missing", segment("one", "old", 0), drop, { one: manifests, two: manifests }],
    ["a segment has another byte", segment("two", "raw", 2), alterMiddle, { two: manifests, three: manifests }],
    ["a segment of one point has another byte", segment("three", "raw", 0), alterMiddle, { three: manifests }],
    ["an index is missing", index("two", "raw"), drop, { two: manifests }],
    ["an index has another byte", index("one", "raw"), alterMiddle, { one: manifests }],
    ["a seal is gone", seal("two"), drop, { two: manifests }],
    ["the newest seal is missing", seal("three"), drop, { three: manifests }],
    ["a seal is corrupt", seal("one"), alter, { one: manifests }],
  ];

  for (const [what, where, damage, marks] of cases) {
    test(what, async ({ expect }) => {
      const world = await threePoints();
      world.settings = { ...world.settings, rereadShare: 1 };
      const path = where(world);
      damage(world, path);
      await world.scrub();
      expect(world.marks()).toEqual(marks);
      const kind = path.startsWith("data")
        ? Object.values(marks)[0] === missing
          ? "scrub.objects-missing"
          : "scrub.objects-altered"
        : "scrub.manifests-damaged";
      expect(world.openAlerts()).toEqual({ [kind]: 1 });
      const [alert] = Object.values(world.alerts.dump()["vault"] ?? {});
      expect(alert?.details.names[0]).toBe(path);
    });
  }
});

test("a seal without metadata is ordered by its content, and a corrupt one by its row", async ({ expect }) => {
  const world = await threePoints();
  for (const id of ["one", "two"]) {
    const file = world.vault.files.get(sealPath(id));
    if (file !== undefined) world.vault.files.set(sealPath(id), { ...file, metadata: {} });
  }
  expect((await world.scrub()).counts).toMatchObject({ points: 3, objects: 12, manifests: 0 });
  flip(world, sealPath("two"), 0);
  await world.scrub();
  expect(world.marks()).toEqual({ two: [0, 0, 1] });
  // Neither row nor number: reported, and nothing is deleted meanwhile.
  await world.estate.recoveryPoints.remove(INSTANCE, "two");
  put(world, "markers/failed/raw");
  expect((await world.scrub()).counts).toMatchObject({ manifests: 1, debris: 0, removed: 0 });
  expect(world.openAlerts()).toEqual({ "scrub.manifests-damaged": 1 });
});

test("a later round that finds a point undamaged removes its mark and resolves the alert", async ({ expect }) => {
  const world = await threePoints();
  const path = objectPath("raw", "a", "a1", 1);
  const file = world.vault.files.get(path);
  if (file === undefined) throw new Error("no object");
  world.vault.files.delete(path);
  await world.scrub();
  expect(Object.keys(world.marks())).toEqual(["one", "two"]);
  const [first] = Object.values(world.alerts.dump()["vault"] ?? {});
  world.now = new Date(world.now.getTime() + DAY_MS);
  await world.scrub();
  const [second] = Object.values(world.alerts.dump()["vault"] ?? {});
  expect(second).toEqual({
    ...first,
    lastSeenAt: world.now.toISOString(),
    details: { ...first?.details, counts: { missing: 1, round: 2 } },
  });

  world.vault.files.set(path, file);
  await world.scrub();
  expect(world.marks()).toEqual({});
  expect(world.openAlerts()).toEqual({});
  expect((await world.state()).round).toBe(3);
});

describe("deletes files that no point needs:", () => {
  const debris: readonly [string, string][] = [
    ["an object whose point does not have it", objectPath("raw", "b", "b9", 2)],
    ["an object with a hashed name whose point does not have it", objectPath("raw", LONG, "l9", 2)],
    ["an object of a number that was purged", objectPath("raw", "a/b", "q1", 1)],
    ["an object of a container that its point does not hold", objectPath("other", "a", "a1", 3)],
    ["an object before all names of its point", objectPath("raw", "A", "a1", 1)],
    ["an object after all names of its point", objectPath("raw", "{", "a1", 1)],
    ["a segment that no index lists", "manifests/two/raw/000000-000000-feed.ndjson.gz"],
    ["an index of a job that failed", indexPath("failed", "raw")],
    ["a marker of a job that failed", "markers/failed/raw"],
  ];
  for (const [what, path] of debris) {
    test(`${what}, once it is older than the safe age`, async ({ expect }) => {
      const world = await threePoints();
      const before = world.paths();
      put(world, path);
      world.files.writtenAt.set(path, new Date(world.now.getTime() - world.settings.safeAgeMs));
      expect((await world.scrub()).counts).toMatchObject({ debris: 0, removed: 0 });
      expect(world.vault.files.has(path)).toBe(true);
      world.now = new Date(world.now.getTime() + 1);
      expect((await world.scrub()).counts).toMatchObject({ debris: 1, removed: 1, removedBytes: 6 });
      expect(world.paths()).toEqual(before);
    });
  }
});

test("an object that is younger than all points is kept, and so are unknown files, which are counted", async ({
  expect,
}) => {
  const world = await threePoints();
  const strange = [
    "data/raw/a",
    "data/raw/a/e.0",
    "data/raw/a/e.007",
    `data/raw/${LONG}/e.2`,
    "data~/raw/a/e.1",
    "manifests/x",
    "markers/x",
  ];
  for (const path of [objectPath("raw", "q", "q", 4), objectPath("raw", `${LONG}q`, "q", 4), ...strange])
    put(world, path);
  const before = world.paths();
  expect((await world.scrub()).counts).toMatchObject({ debris: 0, notUnderstood: strange.length });
  expect(world.paths()).toEqual(before);
});

test("debris is deleted also when more segments must be read than the limit for a batch", async ({ expect }) => {
  const world = new ScrubWorld();
  await world.protect();
  const names = Array.from({ length: 600 }, (_, n) => `n${String(n).padStart(3, "0")}`);
  await world.point("one", 1, { raw: { segments: names.map((name) => [blob(name, "e", 1)]) } });
  const before = world.paths();
  for (const name of names) put(world, objectPath("raw", name, "debris", 1));
  expect((await world.scrub()).counts).toMatchObject({ debris: 600, removed: 600, segments: 600 });
  expect(world.paths()).toEqual(before);
});

describe("everything stays", () => {
  const PATH = objectPath("raw", "b", "b9", 2);
  const reasons: readonly [string, (world: ScrubWorld) => Promise<void> | void][] = [
    ["while a seal cannot be read", (world) => flip(world, sealPath("one"), 0)],
    ["while a point has a row and no seal", (world) => drop(world, sealPath("one"))],
    ["while the index that would decide is missing", (world) => drop(world, indexPath("two", "raw"))],
    ["while the segment that would decide is missing", (world) => drop(world, segmentOf(world, "two", "raw", 0))],
    [
      "while two points have one number",
      async (world) => {
        await world.point("twin", 2, { raw: { segments: [[entry("t", "t", 2)]] } });
      },
    ],
    ["while a purge is not ended", (world) => put(world, purgePath("one"))],
    [
      "while another job holds the lock",
      async (world) => {
        const { job } = await world.request();
        await world.estate.locks.put(INSTANCE, "write", { job, since: "2026-01-01T00:00:00.000Z" });
      },
    ],
    [
      "in an immutable vault",
      (world) => {
        world.isImmutable = true;
      },
    ],
    [
      "where no seal is left",
      (world) => {
        for (const id of ["one", "two", "three"]) drop(world, sealPath(id));
      },
    ],
  ];
  for (const [when, arrange] of reasons) {
    test(when, async ({ expect }) => {
      const world = await threePoints();
      put(world, PATH);
      await arrange(world);
      const before = world.paths();
      const { counts } = await world.scrub();
      expect(counts.removed).toBe(0);
      expect(counts.debris + counts.undecided).toBeGreaterThan(0);
      expect(world.paths()).toEqual(before);
    });
  }
});

test("a cancelled job stops at the next check, and the next job continues where it stopped", async ({ expect }) => {
  const world = await threePoints();
  world.settings = { ...world.settings, budgetMs: 0, sliceObjects: 1, batchFiles: 1 };
  const first = await world.request();
  let done = 0;
  for (; done < 9; done++) await scrubStepActivity(world.deps, first);
  const { counts, position } = await world.state();
  await world.end(first, "Cancelling");
  expect(await scrubStepActivity(world.deps, first)).toEqual({ isDone: true });
  expect(await world.state()).toMatchObject({ counts, position });

  const second = await world.request();
  const steps = await world.work(second);
  expect(steps).toBeGreaterThan(20);
  expect(await world.state()).toMatchObject({
    round: 1,
    job: second.job,
    counts: { points: 3, objects: 12, segments: 8 },
  });
  expect((await world.estate.jobs.get("vault", second.job))?.value.counts).toEqual((await world.state()).counts);
});

test("points that are sealed during a round are for the next, but known damage is marked on them", async ({
  expect,
}) => {
  const world = await threePoints();
  world.settings = { ...world.settings, budgetMs: 0, sliceObjects: 1 };
  drop(world, objectPath("raw", "m", "m1", 1));
  const ref = await world.request();
  await scrubStepActivity(world.deps, ref);
  const shared = JSON.parse(world.vault.files.get(indexPath("three", "raw"))?.content ?? "").segments[1];
  await world.point("four", 4, { raw: { segments: [[entry("a", "a4", 4)], shared] } });
  await world.work(ref);
  expect((await world.state()).counts.points).toBe(3);
  expect(world.marks()).toEqual({ one: [1, 0, 0], two: [1, 0, 0], three: [1, 0, 0], four: [1, 0, 0] });
});

test("wherever a round crashes, its repetition ends like one without faults", async ({ expect }) => {
  const make = async (): Promise<ScrubWorld> => {
    const world = new ScrubWorld();
    await world.protect();
    const one = await world.point("one", 1, {
      raw: { segments: [[blob("a", "a1", 1), blob("b", "b1", 1)], [blob("m", "m1", 1)]] },
    });
    const [, shared] = one["raw"] ?? [];
    if (shared === undefined) throw new Error("no segments");
    await world.point("two", 2, { raw: { segments: [[blob("a", "a1", 1), blob("b", "b2", 2)], shared] } });
    for (const path of [objectPath("raw", "b", "b9", 2), "markers/failed/raw"]) put(world, path);
    drop(world, objectPath("raw", "a", "a1", 1));
    flip(world, segmentOf(world, "one", "raw", 1), 20);
    world.settings = { ...world.settings, budgetMs: 12, sliceObjects: 2, batchFiles: 5 };
    world.tickMs = 1;
    return world;
  };
  const calm = await make();
  await calm.scrub();
  // Files deleted before a crash are not listed again.
  const { removed: _r, removedBytes: _b, debris: _d, files: _f, ...counts } = (await calm.state()).counts;
  expect(calm.marks()).toEqual({ one: [1, 0, 1], two: [1, 0, 1] });

  const ref = { vault: "vault", job: "scrub-0" };
  const died = await crashPoints(
    async () => {
      const world = await make();
      await world.request();
      return world;
    },
    (world) => world.work(ref),
    async (world, where) => {
      await world.work(ref);
      expect(world.paths(), where).toEqual(calm.paths());
      expect(world.marks(), where).toEqual(calm.marks());
      expect(world.openAlerts(), where).toEqual(calm.openAlerts());
      expect((await world.state()).counts, where).toMatchObject(counts);
      expect(world.estate.locks.size, where).toBe(0);
    },
  );
  expect(died.length).toBeGreaterThan(150);
});

test("overwritten content with an unchanged MD5 is found when it is re-read", async ({ expect }) => {
  const world = await threePoints();
  const path = objectPath("raw", "m", "m1", 1);
  const file = world.vault.files.get(path);
  if (file === undefined) throw new Error("no object");
  world.vault.files.set(path, { ...file, content: "m2", claimedMd5: blob("m", "m1", 1).md5 ?? "" });
  world.files.writtenAt.set(path, world.now);
  expect((await world.scrub()).counts).toMatchObject({ altered: 0, reread: 0 });
  world.settings = { ...world.settings, rereadShare: 0.1 };
  let rounds = 0;
  for (let altered = 0; altered === 0; rounds++) {
    const { counts } = await world.scrub();
    expect(counts.reread).toBeLessThan(12);
    altered = counts.altered;
  }
  expect(rounds).toBeGreaterThan(1);
  expect(world.marks()).toEqual({ one: [0, 1, 0], two: [0, 1, 0], three: [0, 1, 0] });
});

test("of two concurrently started jobs one works, and the other ends as well", async ({ expect }) => {
  const world = await threePoints();
  const refs = [await world.request(), await world.request()];
  // The first has started the round and is not done.
  world.settings = { ...world.settings, budgetMs: 0 };
  expect(await scrubStepActivity(world.deps, refs[0] as JobRef)).toEqual({ isDone: false });
  expect(await scrubStepActivity(world.deps, refs[1] as JobRef)).toEqual({ isDone: true });
  expect((await world.state()).job).toBe(refs[0]?.job);
});

test("an MD5 mismatch in an object without later writes is reported, and marks no point", async ({ expect }) => {
  const world = await threePoints();
  const path = objectPath("raw", "m", "m1", 1);
  const file = world.vault.files.get(path);
  if (file === undefined) throw new Error("no object");
  world.vault.files.set(path, { ...file, content: "m2", claimedMd5: blob("m", "m1", 1).md5 ?? "" });
  world.settings = { ...world.settings, rereadShare: 1 };
  expect((await world.scrub()).counts).toMatchObject({ altered: 0, unconfirmed: 1 });
  expect(world.openAlerts()).toEqual({ "scrub.md5-unconfirmed": 1 });
  expect(world.marks()).toEqual({});
});

test("an object with a wrong MD5 at the source is fine when its content matches the MD5 of its copy", async ({
  expect,
}) => {
  const world = await threePoints();
  const path = objectPath("raw", "m", "m1", 1);
  const file = world.vault.files.get(path);
  if (file === undefined) throw new Error("no object");
  world.vault.files.set(path, { ...file, claimedMd5: "bm9uc2Vuc2U=" });
  expect((await world.scrub()).counts).toMatchObject({ altered: 0, unconfirmed: 0, reread: 1, rereadBytes: 2 });
});

test("a step re-reads limited bytes, and an object above the limit is reported", async ({ expect }) => {
  const world = await threePoints();
  world.settings = { ...world.settings, rereadShare: 1, rereadBytes: 5 };
  const ref = await world.request();
  const steps = await world.work(ref);
  expect(steps).toBe(6);
  expect((await world.state()).counts).toMatchObject({ reread: 12, rereadBytes: 24, tooLargeToReread: 0 });
  world.settings = { ...world.settings, rereadBytes: 1 };
  expect((await world.scrub()).counts).toMatchObject({ reread: 0, tooLargeToReread: 12 });
});

describe("nothing needed is deleted when, between the decision and the deletion,", () => {
  const PATH = objectPath("raw", "b", "b9", 2);
  /** Runs an action when the lock is acquired, which is after the decision. */
  class LocksWithNews extends MemoryRecords<InstanceLock> {
    news: (() => Promise<void>) | undefined;

    override async insert(partition: string, row: string, value: InstanceLock): Promise<boolean> {
      const { news } = this;
      this.news = undefined;
      await news?.();
      return super.insert(partition, row, value);
    }
  }

  async function scrubWith(meanwhile: (world: ScrubWorld) => Promise<void>): Promise<ScrubWorld> {
    const locks = new LocksWithNews();
    const world = await threePoints(new ScrubWorld(emptyEstate({ locks })));
    put(world, PATH);
    locks.news = () => meanwhile(world);
    await world.scrub();
    if (locks.news !== undefined) throw new Error("nothing was about to be deleted");
    return world;
  }

  test("a point is sealed", async ({ expect }) => {
    const world = await scrubWith(async (given) => {
      await given.point("four", 4, { raw: { segments: [[blob("a", "a4", 4)]] } });
    });
    expect(world.vault.files.has(PATH)).toBe(true);
    expect((await world.state()).counts.removed).toBe(0);
  });

  test("the newest point is purged and its number reused by a point that needs the object", async ({ expect }) => {
    const path = objectPath("raw", "b", "b9", 3);
    const world = await scrubWith(async (given) => {
      for (const file of [...given.vault.files.keys()]) if (file.includes("/three/")) drop(given, file);
      drop(given, sealPath("three"));
      await given.estate.recoveryPoints.remove(INSTANCE, "three");
      put(given, path, "b9");
      await given.point("again", 3, { raw: { segments: [[blob("b", "b9", 3)]] } });
    });
    expect(world.vault.files.has(path)).toBe(true);
    expect((await world.state()).counts.removed).toBe(0);
    expect((await world.scrub()).counts).toMatchObject({ missing: 0 });
    expect(world.vault.files.has(path)).toBe(true);
  });

  test("a purge begins", async ({ expect }) => {
    const world = await scrubWith(async (given) => put(given, purgePath("one")));
    expect(world.vault.files.has(PATH)).toBe(true);
  });
});

test("a point that is purged while it is checked is not reported as damaged", async ({ expect }) => {
  const world = await threePoints();
  world.settings = { ...world.settings, budgetMs: 0, sliceObjects: 1 };
  const ref = await world.request();
  let purged = false;
  await world.work(ref, async () => {
    const position = (await world.scrubs.get(INSTANCE, "round"))?.value.position;
    if (purged || position?.phase !== "points" || position.point !== "two") return;
    purged = true;
    for (const file of [
      sealPath("two"),
      objectPath("raw", "b", "b2", 2),
      indexPath("two", "raw"),
      segmentOf(world, "two", "raw", 0),
    ]) {
      drop(world, file);
    }
    await world.estate.recoveryPoints.remove(INSTANCE, "two");
  });
  expect(purged).toBe(true);
  expect((await world.state()).counts).toMatchObject({ points: 2, missing: 0, altered: 0, manifests: 0 });
  expect(world.openAlerts()).toEqual({});
});

describe("at any moment of a round", () => {
  /** Runs an action before one of the calls, counted from 0. */
  class EventfulVault extends MemoryScrubVault {
    #left: number;
    readonly #event: () => Promise<void>;

    constructor(vault: MemoryVault, moment: number, event: () => Promise<void>) {
      super(vault);
      this.#left = moment;
      this.#event = event;
    }

    get happened(): boolean {
      return this.#left < 0;
    }

    override async read(path: string): Promise<Uint8Array | undefined> {
      await this.#pass();
      return super.read(path);
    }

    override async look(path: string): Promise<StoredFile | undefined> {
      await this.#pass();
      return super.look(path);
    }

    override async *list(prefix: string, from?: string): AsyncGenerator<VaultFile> {
      await this.#pass();
      yield* super.list(prefix, from);
    }

    override async remove(files: readonly Removal[]): Promise<readonly string[]> {
      await this.#pass();
      return super.remove(files);
    }

    async #pass(): Promise<void> {
      if (this.#left-- === 0) await this.#event();
    }
  }

  test("debris that was written again since it was listed is kept, and not counted as deleted", async ({ expect }) => {
    let kept = 0;
    let moments = 0;
    for (let moment = 0, happened = true; happened; moment++) {
      const world = await threePoints();
      const path = objectPath("raw", "b", "b9", 2);
      put(world, path);
      const vault = new EventfulVault(world.vault, moment, async () => {
        // Some time after its listing, or before.
        if (world.vault.files.has(path)) put(world, path);
      });
      const ref = await world.request();
      const deps = { ...world.deps, scrubVault: () => vault };
      for (let isDone = false; !isDone; ) ({ isDone } = await scrubStepActivity(deps, ref));
      happened = vault.happened;
      const isThere = world.vault.files.has(path);
      expect((await world.state()).counts, String(moment)).toMatchObject({ debris: 1, removed: isThere ? 0 : 1 });
      if (isThere) kept += 1;
      moments += 1;
    }
    expect(kept).toBeGreaterThan(2);
    expect(moments).toBeGreaterThan(kept + 2);
  });

  const events: readonly [string, (world: ScrubWorld) => Promise<void>][] = [
    ...["one", "two", "three"].map((id): [string, (world: ScrubWorld) => Promise<void>] => [
      `point '${id}' is purged`,
      async ({ vault, estate }) => {
        const rows = {
          hasDebris: async () => false,
          isPinned: async () => false,
          remove: (point: string) => estate.recoveryPoints.remove(INSTANCE, point),
        };
        const { state } = await purgeRecoveryPoint(
          { instance: INSTANCE, vault, manifests: new ManifestCache(), rows },
          id,
        );
        if (state !== "done") throw new Error(`the purge is ${state}`);
      },
    ]),
    [
      "a point is sealed",
      async (world) => {
        await world.point("four", 4, { raw: { segments: [[blob("a", "a4", 4), blob("b", "b1", 3)]] } });
      },
    ],
  ];
  for (const [what, event] of events) {
    test(`${what}, nothing is reported as damaged, and nothing needed is deleted`, async ({ expect }) => {
      let moments = 0;
      // Every third moment; the four of them together cover all.
      for (let moment = events.findIndex(([name]) => name === what) % 3, happened = true; happened; moment += 3) {
        moments += 1;
        const world = await threePoints();
        put(world, objectPath("raw", "b", "b9", 2));
        put(world, "markers/failed/raw");
        world.settings = { ...world.settings, rereadShare: 0.3 };
        const vault = new EventfulVault(world.vault, moment, () => event(world));
        const deps = { ...world.deps, scrubVault: () => vault };
        const ref = await world.request();
        for (let isDone = false; !isDone; ) ({ isDone } = await scrubStepActivity(deps, ref));
        happened = vault.happened;
        expect(world.marks(), String(moment)).toEqual({});
        expect(world.openAlerts(), String(moment)).toEqual({});
        await world.scrub();
        expect((await world.state()).counts, String(moment)).toMatchObject({ missing: 0, altered: 0, manifests: 0 });
      }
      expect(moments).toBeGreaterThan(25);
    });
  }
});
