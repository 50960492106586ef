import fc from "fast-check";
import { test } from "vitest";
import { crashPoints } from "../../test/support/crash-points.ts";
import { Crash } from "../../test/support/crash-switch.ts";
import { type Contents, RestoreWorld, type RestoreWorldOptions } from "../../test/support/restore-world.ts";

const names = fc.string({ unit: fc.constantFrom("a", "b", "/", "é"), minLength: 1, maxLength: 5 });

const contents: fc.Arbitrary<Contents> = fc.dictionary(
  fc.constantFrom("curated", "empty", "raw"),
  fc.dictionary(names, fc.string({ maxLength: 5 }), { maxKeys: 14, noNullPrototype: true }),
  { minKeys: 1, noNullPrototype: true },
);

const options: fc.Arbitrary<RestoreWorldOptions> = fc.record({
  segmentEntries: fc.integer({ min: 1, max: 5 }),
  pageSize: fc.integer({ min: 1, max: 4 }),
  settings: fc.record({
    sliceEntries: fc.integer({ min: 1, max: 3 }),
    sliceBytes: fc.integer({ min: 1, max: 20 }),
    budgetMs: fc.integer({ min: 0, max: 60 }),
    noteEveryMs: fc.integer({ min: 0, max: 10 }),
  }),
});

/** What happens to the next delivery. */
interface Incident {
  /** Position of the message in the queue, as a share of its length. */
  readonly at: number;
  readonly kind: "worked" | "worked, and delivered again" | "died" | "two at once";
  /** When it crashes, counted in calls. */
  readonly moment: number;
}

const incidents = fc.array(
  fc.record<Incident>({
    at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    kind: fc.constantFrom("worked", "worked, and delivered again", "died", "two at once"),
    moment: fc.nat(40),
  }),
  { maxLength: 40, size: "max" },
);

/** @returns whether a worker crashed */
async function happen(world: RestoreWorld, { at, kind, moment }: Incident): Promise<boolean> {
  const place = Math.floor(at * world.queue.length);
  switch (kind) {
    case "worked":
      await world.deliver(place);
      return false;
    case "worked, and delivered again":
      await world.deliver(place, true);
      return false;
    case "two at once":
      await Promise.all([world.deliver(place, true), world.deliver(place)]);
      return false;
    case "died":
      world.crash.arm(moment);
      try {
        await world.deliver(place);
      } catch (error) {
        if (!(error instanceof Crash)) throw error;
      }
      world.crash.disarm();
      return world.crash.where !== undefined;
  }
}

test("whatever the order, repetitions and crashes of workers, target and totals match the recovery point", async ({
  expect,
}) => {
  let deaths = 0;
  await fc.assert(
    fc.asyncProperty(contents, options, incidents, async (held, chosen, happening) => {
      const calm = await RestoreWorld.of(held, chosen);
      expect(await calm.run()).toBe("Completed");

      const world = await RestoreWorld.of(held, chosen);
      await world.begin();
      for (const incident of happening) {
        if (world.queue.length === 0) break;
        if (await happen(world, incident)) deaths += 1;
      }
      await world.deliverAll();
      expect(await world.end()).toBe("Completed");
      expect(world.restored()).toEqual(held);
      expect((await world.job()).totals).toEqual((await calm.job()).totals);
    }),
    { numRuns: 100 },
  );
  expect(deaths).toBeGreaterThan(20);
});

test("whenever a job is cancelled its messages end, no blob is wrong, and nothing counts as restored", async ({
  expect,
}) => {
  let stopped = 0;
  await fc.assert(
    fc.asyncProperty(contents, options, fc.nat(30), async (held, chosen, after) => {
      const world = await RestoreWorld.of(held, chosen);
      await world.begin();
      for (let i = 0; i < after && world.queue.length > 0; i++) await world.deliver();
      const before = world.restored();
      if (world.queue.length > 0) stopped += 1;
      await world.cancel();
      await world.deliverAll();
      expect(world.restored()).toEqual(before);
      for (const [container, blobs] of Object.entries(before)) expect(held[container]).toMatchObject(blobs);
    }),
  );
  expect(stopped).toBeGreaterThan(10);
});

test("wherever a restore crashes, continuing ends with the same blobs, rows and totals", async ({ expect }) => {
  const makeWorld = (): Promise<RestoreWorld> =>
    RestoreWorld.of(
      { raw: { a: "1", b: "2", c: "3" }, curated: { d: "4" }, empty: {} },
      { segmentEntries: 2, settings: { budgetMs: 12, sliceEntries: 1, noteEveryMs: 0 } },
    );
  const calm = await makeWorld();
  expect(await calm.run()).toBe("Completed");

  const died = await crashPoints(
    makeWorld,
    (world) => world.run(),
    async (world, where) => {
      if (world.queue.length === 0 && world.events.length === 0) await world.begin();
      await world.deliverAll();
      expect(await world.end(), where).toBe("Completed");
      expect(world.restored(), where).toEqual(calm.restored());
      expect((await world.job()).totals, where).toEqual((await calm.job()).totals);
      expect(Object.keys(world.work.dump()["restore"] ?? {}), where).toEqual(
        Object.keys(calm.work.dump()["restore"] ?? {}),
      );
    },
  );
  expect(died.length).toBeGreaterThan(150);
});
