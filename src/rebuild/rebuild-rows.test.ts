import fc from "fast-check";
import { describe, test } from "vitest";
import { crashPoints } from "../../test/support/crash-points.ts";
import { type EstateVault, estate, RebuildWorld } from "../../test/support/rebuild-estate.ts";
import { VaultError } from "../foundation/errors.ts";
import { BackupInstance } from "../instances/backup-instance.ts";
import { ALL_SCHEDULES, scheduleRow } from "../instances/schedules.ts";
import { VaultRecord, vaultKey } from "../instances/vault-record.ts";
import { PolicyRecord } from "../policies/policy-record.ts";
import { INSTANCE_FILE, purgePath, sealPath, vaultContainerName } from "../vault/names.ts";
import { policyDocumentPath, VAULT_DOCUMENT, vaultFilesContainer } from "../vault/vault-document.ts";
import { encodeDocument } from "../vault/version.ts";
import { REBUILD_OUTCOMES, type RebuildCounts, type RebuildFinding, type RebuildResult } from "./rebuild-request.ts";

type Rows = RebuildWorld["rows"];

/** Rows as a rebuild makes them; all differences from the original rows are listed here. */
async function rowsAfterLoss(vaults: readonly EstateVault[]): Promise<Rows> {
  const world = await RebuildWorld.of(vaults);
  for (const { instances } of vaults) {
    for (const { row, points } of instances) {
      const key = vaultKey(row.vaultArmId);
      const name = row.name.toLowerCase();
      // When a slot was asked for, and what was passed over, is history.
      const handledUpTo = points.at(-1)?.scheduledSlot ?? world.now.toISOString();
      await world.schedules.put(ALL_SCHEDULES, scheduleRow(key, name), { vault: key, instanceName: name, handledUpTo });
      if (row.deletion !== undefined) {
        const least = world.now.getTime() + 14 * 86_400_000;
        const purgeAt = new Date(Math.max(Date.parse(row.deletion.purgeAt), least)).toISOString();
        await world.instances.put(key, name, { ...row, deletion: { ...row.deletion, purgeAt } });
      }
      for (const { id } of points) {
        const point = (await world.recoveryPoints.get(row.id, id))?.value;
        if (point === undefined) throw new Error("every point has a row");
        // What a scrub found, and what the job moved, is not in the seal.
        const { damage, totals, ...sealed } = point;
        await world.recoveryPoints.put(row.id, id, sealed);
      }
    }
  }
  return world.rows;
}

function sum(answers: readonly RebuildResult[], kind: keyof RebuildCounts): Record<string, number> {
  return Object.fromEntries(
    REBUILD_OUTCOMES.map((outcome) => [outcome, answers.reduce((n, { counts }) => n + counts[kind][outcome], 0)]),
  );
}

function findings(answers: readonly RebuildResult[], outcome: RebuildFinding["outcome"]): RebuildFinding[] {
  return answers.flatMap((answer) => answer.findings).filter((finding) => finding.outcome === outcome);
}

const [SAMPLE] = fc.sample(
  estate.filter(
    (vaults) =>
      vaults.length === 2 &&
      vaults.every(
        ({ policies, instances }) =>
          policies.length > 0 &&
          instances.length > 1 &&
          instances.every(({ row, points }) => points.length > 1 && row.deletion === undefined),
      ),
  ),
  { numRuns: 1, seed: 4 },
) as [readonly EstateVault[]];
const [VAULT, OTHER] = SAMPLE as [EstateVault, EstateVault];
const KEY = vaultKey(VAULT.row.armId);
const [FIRST] = VAULT.instances as [EstateVault["instances"][number]];
const CONTAINER = vaultContainerName(FIRST.row.id);
const [POINT] = FIRST.points as [EstateVault["instances"][number]["points"][number]];

/** Number of writes to the tables. */
function writes({ tables }: RebuildWorld): number {
  return Object.values(tables).reduce((n, table) => n + table.writes, 0);
}

describe("after all tables are lost", () => {
  test("all rows are restored, in as many calls as needed", async ({ expect }) => {
    let made = 0;
    await fc.assert(
      fc.asyncProperty(
        estate,
        fc.constantFrom(0, 60_000),
        fc.integer({ min: 1, max: 3 }),
        async (vaults, ms, slice) => {
          const world = await RebuildWorld.of(vaults);
          await world.lose();
          const files = world.files.writes;
          world.settings = { budgetMs: ms, slice };
          const answers = await world.rebuild();
          expect(world.rows).toEqual(await rowsAfterLoss(vaults));
          expect(sum(answers, "vault")).toMatchObject({ made: vaults.length, kept: 0, unreadable: 0 });
          expect(world.files.writes).toBe(files);
          made += sum(answers, "recoveryPoint")["made"] ?? 0;
        },
      ),
      { numRuns: 100 },
    );
    expect(made).toBeGreaterThan(100);
  });

  test("every member that a row may have is restored", ({ expect }) => {
    const vaults = fc.sample(estate, { numRuns: 200, seed: 1 }).flat();
    const membersOf = (rows: readonly object[]) => [...new Set(rows.flatMap(Object.keys))].sort();
    const instances = vaults.flatMap((vault) => vault.instances.map(({ row }) => row));
    // Whether a row is being deleted is temporary, and in no document.
    const { deletingSince: _, ...ofVault } = VaultRecord.shape;
    const { deletingSince: __, ...ofPolicy } = PolicyRecord.shape;
    expect(membersOf(vaults.map(({ row }) => row))).toEqual(Object.keys(ofVault).sort());
    expect(membersOf(vaults.flatMap(({ policies }) => policies))).toEqual(Object.keys(ofPolicy).sort());
    expect(membersOf(instances)).toEqual(Object.keys(BackupInstance.shape).sort());
  });

  test("a second rebuild writes nothing", async ({ expect }) => {
    await fc.assert(
      fc.asyncProperty(estate, async (vaults) => {
        const world = await RebuildWorld.of(vaults);
        await world.lose();
        await world.rebuild();
        const before = writes(world);
        world.now = new Date("2026-07-01T00:00:00.000Z");
        const answers = await world.rebuild();
        expect(writes(world)).toBe(before);
        expect(sum(answers, "vault")).toMatchObject({ made: 0, kept: vaults.length });
      }),
      { numRuns: 50 },
    );
  });

  test("two concurrent rebuilds make the same rows", async ({ expect }) => {
    await fc.assert(
      fc.asyncProperty(estate, async (vaults) => {
        const world = await RebuildWorld.of(vaults);
        await world.lose();
        await Promise.all([world.rebuild(), world.rebuild()]);
        expect(world.rows).toEqual(await rowsAfterLoss(vaults));
      }),
      { numRuns: 50 },
    );
  });

  test("a rebuild of one vault makes only its rows", async ({ expect }) => {
    const world = await RebuildWorld.of(SAMPLE);
    await world.lose();
    const only = VAULT.row.armId.toUpperCase();
    const answers = await world.rebuild({ vaultArmId: only });
    expect(world.rows).toEqual(await rowsAfterLoss([VAULT]));
    expect(sum(answers, "instance")).toMatchObject({ made: VAULT.instances.length });
    await world.rebuild({ vaultArmId: OTHER.row.armId });
    expect(world.rows).toEqual(await rowsAfterLoss(SAMPLE));
  });

  test("a rebuild that crashed anywhere is completed by the next", async ({ expect }) => {
    const expected = await rowsAfterLoss([VAULT]);
    const died = await crashPoints(
      async () => {
        const world = await RebuildWorld.of([VAULT]);
        await world.lose();
        return world;
      },
      (world) => world.rebuild(),
      async (world, where) => {
        await world.rebuild();
        expect(world.rows, where).toEqual(expected);
      },
    );
    expect(died.length).toBeGreaterThan(60);
  });
});

describe("after some rows are lost", () => {
  test("existing rows stay unchanged, and the rest is made", async ({ expect }) => {
    let kept = 0;
    await fc.assert(
      fc.asyncProperty(estate, fc.infiniteStream(fc.boolean()), async (vaults, dice) => {
        const world = await RebuildWorld.of(vaults);
        const before = world.rows;
        const made = await rowsAfterLoss(vaults);
        const lost = new Set<string>();
        await world.lose((...place) => {
          const isLost = dice.next().value === true;
          if (isLost) lost.add(place.join(" "));
          return isLost;
        });
        await world.rebuild();
        for (const [table, partitions] of Object.entries(before)) {
          for (const [partition, rows] of Object.entries(partitions)) {
            for (const row of Object.keys(rows)) {
              const isLost = lost.has([table, partition, row].join(" "));
              if (!isLost) kept += 1;
              const expected = (isLost ? made : before)[table]?.[partition]?.[row];
              expect(world.rows[table]?.[partition]?.[row], `${table} ${partition} ${row}`).toEqual(expected);
            }
          }
        }
      }),
      { numRuns: 100 },
    );
    expect(kept).toBeGreaterThan(100);
  });

  test("the row of a point without a seal is deleted and reported", async ({ expect }) => {
    const world = await RebuildWorld.of(SAMPLE);
    world.files.containers.get(CONTAINER)?.delete(sealPath(POINT.id));
    const answers = await world.rebuild();
    expect(await world.recoveryPoints.get(FIRST.row.id, POINT.id)).toBeUndefined();
    expect(findings(answers, "removed")).toEqual([
      {
        kind: "recoveryPoint",
        name: `${CONTAINER}/${sealPath(POINT.id)}`,
        outcome: "removed",
        because: "it has no seal",
      },
    ]);
    expect(world.recoveryPoints.size).toBe((await RebuildWorld.of(SAMPLE)).recoveryPoints.size - 1);
  });

  test("rows of an instance whose container is not found are kept", async ({ expect }) => {
    const world = await RebuildWorld.of(SAMPLE);
    const before = world.rows;
    world.files.containers.delete(CONTAINER);
    await world.rebuild();
    expect(world.rows).toEqual(before);
  });
});

describe("what happens meanwhile", () => {
  test("a point with a running purge gets no row", async ({ expect }) => {
    const world = await RebuildWorld.of(SAMPLE);
    await world.lose();
    world.files.write(CONTAINER, purgePath(POINT.id), encodeDocument({ formatVersion: 1 }));
    const answers = await world.rebuild();
    expect(await world.recoveryPoints.get(FIRST.row.id, POINT.id)).toBeUndefined();
    expect(findings(answers, "leftOut")).toMatchObject([{ kind: "recoveryPoint", because: "its purge is running" }]);
  });

  test("a point that is purged while its row is made has no row in the end", async ({ expect }) => {
    const world = await RebuildWorld.of(SAMPLE);
    await world.lose();
    const { insert } = world.recoveryPoints;
    world.recoveryPoints.insert = async (partition, row, value) => {
      if (row === POINT.id) world.files.containers.get(CONTAINER)?.delete(sealPath(row));
      return await insert.call(world.recoveryPoints, partition, row, value);
    };
    await world.rebuild();
    expect(await world.recoveryPoints.get(FIRST.row.id, POINT.id)).toBeUndefined();
  });

  test("an instance that is deleted while its row is made has no row in the end", async ({ expect }) => {
    const world = await RebuildWorld.of(SAMPLE);
    await world.lose();
    const name = FIRST.row.name.toLowerCase();
    const { insert } = world.instances;
    world.instances.insert = async (partition, row, value) => {
      if (partition === KEY && row === name) world.files.containers.delete(CONTAINER);
      return await insert.call(world.instances, partition, row, value);
    };
    const answers = await world.rebuild();
    expect(await world.instances.get(KEY, name)).toBeUndefined();
    expect(findings(answers, "leftOut")).toMatchObject([{ kind: "instance", because: "it was deleted meanwhile" }]);
  });

  test("a faster caller wins", async ({ expect }) => {
    const world = await RebuildWorld.of(SAMPLE);
    await world.lose();
    const name = FIRST.row.name.toLowerCase();
    const theirs: BackupInstance = { ...FIRST.row, protectionState: "ProtectionConfigured", friendlyName: "theirs" };
    const { get } = world.instances;
    world.instances.get = async (partition, row) => {
      const found = await get.call(world.instances, partition, row);
      if (row === name && found === undefined) await world.instances.insert(partition, row, theirs);
      return found;
    };
    await world.rebuild();
    expect((await get.call(world.instances, KEY, name))?.value).toEqual(theirs);
  });
});

describe("a document that cannot be read", () => {
  const documents = [
    ["vault", vaultFilesContainer(KEY), VAULT_DOCUMENT],
    ["policy", vaultFilesContainer(KEY), policyDocumentPath(VAULT.policies[0]?.name ?? "")],
    ["instance", CONTAINER, INSTANCE_FILE],
    ["recoveryPoint", CONTAINER, sealPath(POINT.id)],
  ] as const;
  const damages = [
    ["is cut off", "format/corrupt", (content: string) => content.slice(0, -10)],
    ["is of a newer version", "format/newer-version", (content: string) => content.replace(": 1", ": 2")],
    ["is of something else", "format/corrupt", () => '{"formatVersion": 1}'],
  ] as const;

  for (const [kind, container, path] of documents) {
    test.for(damages)(
      `is reported when the ${kind}'s %s, and all else is made`,
      async ([, code, damage], { expect }) => {
        const world = await RebuildWorld.of(SAMPLE);
        await world.lose();
        const content = new TextDecoder().decode(await world.files.read(container, path));
        world.files.write(container, path, new TextEncoder().encode(damage(content)));
        const answers = await world.rebuild();
        expect(findings(answers, "unreadable")).toMatchObject([{ kind, code }]);
        const name = findings(answers, "unreadable")[0]?.name;
        expect(`${container}/${path}`).toContain(name);

        const expected = await RebuildWorld.of(SAMPLE);
        // Without a known instance, schedule and points have no rows either.
        const lost = kind === "instance" ? 2 + FIRST.points.length : 1;
        const size = (of: RebuildWorld) => Object.values(of.tables).reduce((n, table) => n + table.size, 0);
        expect(size(world)).toBe(size(expected) - lost);
      },
    );
  }

  test("is replaced when a caller puts the resource again, and the next rebuild does the rest", async ({ expect }) => {
    const world = await RebuildWorld.of(SAMPLE);
    await world.lose();
    world.files.write(CONTAINER, INSTANCE_FILE, new TextEncoder().encode("{"));
    await world.rebuild();
    await world.files.ensure(FIRST.row);
    await world.rebuild();
    expect(world.rows).toEqual(await rowsAfterLoss(SAMPLE));
  });

  test("may be a row: it is kept and reported, and all else is made", async ({ expect }) => {
    const world = await RebuildWorld.of(SAMPLE);
    await world.lose();
    const { list } = world.recoveryPoints;
    world.recoveryPoints.list = async (partition, options) => {
      if (partition === FIRST.row.id) throw new VaultError("format/corrupt", "row 'x' is not JSON");
      return await list.call(world.recoveryPoints, partition, options);
    };
    expect(findings(await world.rebuild(), "unreadable")).toEqual([
      {
        kind: "instance",
        name: FIRST.row.armId,
        outcome: "unreadable",
        code: "format/corrupt",
        because: "row 'x' is not JSON",
      },
    ]);
    world.recoveryPoints.list = list;
    await world.rebuild();
    expect(world.rows).toEqual(await rowsAfterLoss(SAMPLE));
  });

  test("is missing where there are recovery points, but an empty container is not reported", async ({ expect }) => {
    const world = await RebuildWorld.of(SAMPLE);
    await world.lose();
    world.files.containers.get(CONTAINER)?.delete(INSTANCE_FILE);
    world.files.containers.set(`bi-${"0".repeat(32)}`, new Map());
    world.files.containers.set("bi-other", new Map());
    world.files.containers.get(vaultFilesContainer(KEY))?.delete(VAULT_DOCUMENT);
    expect(findings(await world.rebuild(), "unreadable")).toMatchObject([
      { kind: "vault", name: vaultFilesContainer(KEY), code: "format/missing" },
      { kind: "instance", name: CONTAINER, code: "format/missing" },
    ]);
  });

  test("of another location makes no row", async ({ expect }) => {
    const world = await RebuildWorld.of(SAMPLE);
    await world.lose();
    const copy = async (from: [string, string], to: [string, string]) =>
      world.files.write(...to, (await world.files.read(...from)) ?? new Uint8Array());
    const other = OTHER.instances[0] as EstateVault["instances"][number];
    const otherContainer = vaultContainerName(other.row.id);
    await copy([otherContainer, INSTANCE_FILE], [CONTAINER, INSTANCE_FILE]);
    await copy(
      [vaultFilesContainer(vaultKey(OTHER.row.armId)), VAULT_DOCUMENT],
      [vaultFilesContainer(KEY), VAULT_DOCUMENT],
    );
    const second = VAULT.instances[1] as EstateVault["instances"][number];
    await copy(
      [CONTAINER, sealPath(POINT.id)],
      [vaultContainerName(second.row.id), sealPath(second.points[0]?.id ?? "")],
    );
    const answers = await world.rebuild();
    expect(
      findings(answers, "unreadable")
        .map(({ kind, code }) => [kind, code])
        .sort(),
    ).toEqual([
      ["instance", "format/corrupt"],
      ["recoveryPoint", "format/corrupt"],
      ["vault", "format/corrupt"],
    ]);
    expect(await world.instances.get(KEY, FIRST.row.name.toLowerCase())).toBeUndefined();
  });
});

test("an unreadable document is reported once, in however many calls", async ({ expect }) => {
  const world = await RebuildWorld.of(SAMPLE);
  await world.lose();
  world.settings = { budgetMs: 0, slice: 1 };
  const damaged = SAMPLE.flatMap(({ instances }) =>
    instances.flatMap(({ row, points: [point] }, nth) => {
      const container = vaultContainerName(row.id);
      return nth === 0 ? [[container, INSTANCE_FILE]] : [[container, sealPath(point?.id ?? "")]];
    }),
  );
  for (const [container = "", path = ""] of damaged) world.files.write(container, path, new Uint8Array());
  const answers = await world.rebuild();
  expect(answers.length).toBeGreaterThan(damaged.length);
  expect(findings(answers, "unreadable")).toHaveLength(damaged.length);
  expect(sum(answers, "recoveryPoint")).toMatchObject({ made: world.recoveryPoints.size, kept: 0 });
});

test("a response stays short, however many findings there are", async ({ expect }) => {
  const world = await RebuildWorld.of(SAMPLE);
  await world.lose();
  world.settings = { budgetMs: 3_600_000, slice: 64 };
  const damaged = Array.from({ length: 2_500 }, (_, n) => n.toString(16).padStart(32, "0"));
  for (const id of damaged) world.files.write(CONTAINER, sealPath(id), new TextEncoder().encode("{"));
  const answers = await world.rebuild();
  expect(answers.length).toBeGreaterThan(2);
  for (const { findings } of answers) expect(findings.length).toBeLessThan(1_100);
  expect(findings(answers, "unreadable").map(({ name }) => name)).toEqual(
    damaged.map((id) => `${CONTAINER}/${sealPath(id)}`),
  );
  expect(world.rows).toEqual(await rowsAfterLoss(SAMPLE));
});

test("an invalid continuation is refused", async ({ expect }) => {
  const world = await RebuildWorld.of(SAMPLE);
  for (const continuation of ["", "vaults:", "instances:x", "points:0", `vaults:${KEY}:${KEY}`]) {
    await expect(world.rebuild({ continuation })).rejects.toMatchObject({ code: "request/invalid" });
  }
});

test("a storage failure is not a finding, and ends the call", async ({ expect }) => {
  const world = await RebuildWorld.of(SAMPLE);
  await world.lose();
  const { insert } = world.policies;
  world.policies.insert = async () => {
    throw new Error("no answer");
  };
  await expect(world.rebuild()).rejects.toThrow("no answer");
  world.policies.insert = insert;
  await world.rebuild();
  expect(world.rows).toEqual(await rowsAfterLoss(SAMPLE));
});
