import { test } from "vitest";
import { Crash } from "../../test/support/crash-switch.ts";
import { MemoryLake } from "../../test/support/memory-lake.ts";
import type { JobRef } from "../jobs/job-ref.ts";
import { sealPath } from "../vault/names.ts";
import { FORMAT_MINOR } from "../vault/version.ts";
import { restoreSegment } from "./restore-segment.ts";

const SMALL = { usual: 4, largest: 8, small: 2 };

async function backedUp(): Promise<{ lake: MemoryLake; point: string }> {
  const lake = new MemoryLake({ settings: { segmentSizes: SMALL } });
  await lake.protect();
  for (const container of ["curated", "empty", "raw"]) lake.source.createContainer(container);
  for (let i = 0; i < 20; i++) {
    for (const container of ["curated", "raw"]) {
      lake.source.write(container, `n${i}`, `${container} ${i}`, {
        metadata: { i: String(i) },
        tags: { t: String(i) },
      });
    }
  }
  return { lake, point: await lake.backup("backup") };
}

function contentsOf(lake: MemoryLake): unknown {
  return [...lake.target.containers]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([container, blobs]) => [
      container,
      [...blobs]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, { content, metadata, tags }]) => [name, content, metadata, tags]),
    ]);
}

test("a whole account comes back: contents, metadata, tags and empty containers", async ({ expect }) => {
  const { lake, point } = await backedUp();
  expect(await lake.restore("restore", point)).toBe("Completed");
  expect([...lake.target.containers.keys()].sort()).toEqual(["curated", "empty", "raw"]);
  expect(lake.target.container("raw").get("n7")).toMatchObject({
    content: "raw 7",
    metadata: { i: "7" },
    tags: { t: "7" },
  });
  expect(lake.target.container("raw").size + lake.target.container("curated").size).toBe(40);
  expect((await lake.job("restore")).totals).toMatchObject({ entries: 40, copied: 40 });
  expect(lake.events.filter((event) => event.startsWith("restored."))).toEqual(["restored.curated", "restored.raw"]);
});

test("chosen containers come back alone", async ({ expect }) => {
  const { lake, point } = await backedUp();
  const ref = await lake.requestRestore("restore", point, ["raw"]);
  await lake.restoreSegments(await lake.beginRestore(ref));
  expect(await lake.endRestore(ref)).toBe("Completed");
  expect([...lake.target.containers.keys()]).toEqual(["raw"]);
});

test("a container that exists in the target is refused before anything is written", async ({ expect }) => {
  const { lake, point } = await backedUp();
  lake.target.createContainer("raw");
  const ref = await lake.requestRestore("restore", point);
  await expect(lake.beginRestore(ref)).rejects.toMatchObject({
    code: "restore/target-container-exists",
    message: "account 'target' already has 'raw'",
  });
  expect([...lake.target.containers.keys()]).toEqual(["raw"]);
});

test("an unknown recovery point and an unknown container are refused", async ({ expect }) => {
  const { lake, point } = await backedUp();
  const unknown = await lake.requestRestore("one", "nowhere");
  await expect(lake.beginRestore(unknown)).rejects.toMatchObject({ code: "recovery-point/not-found" });
  const wrong = await lake.requestRestore("two", point, ["raw", "nowhere"]);
  await expect(lake.beginRestore(wrong)).rejects.toMatchObject({ code: "restore/container-not-in-recovery-point" });
  expect(lake.target.containers.size).toBe(0);
});

test("a repeated begin and a repeated message change nothing", async ({ expect }) => {
  const { lake, point } = await backedUp();
  const ref = await lake.requestRestore("restore", point);
  const messages = await lake.beginRestore(ref);
  expect(await lake.beginRestore(ref)).toEqual(messages);
  await lake.restoreSegments(messages);
  const once = contentsOf(lake);
  await lake.restoreSegments(messages);
  expect(contentsOf(lake)).toEqual(once);
  expect(await lake.endRestore(ref)).toBe("Completed");
  expect((await lake.job("restore")).totals).toMatchObject({ entries: 40, copied: 40 });
});

test("wherever a segment's restore dies, a second attempt ends with the same blobs", async ({ expect }) => {
  const calm = await backedUp();
  await calm.lake.restore("restore", calm.point);
  const wanted = contentsOf(calm.lake);

  const { lake, point } = await backedUp();
  const ref = await lake.requestRestore("restore", point);
  let deaths = 0;
  for (const message of await lake.beginRestore(ref)) {
    for (let moment = 0; ; moment++) {
      lake.crash.arm(moment);
      try {
        await restoreSegment(lake.deps, message);
        if (lake.crash.where === undefined) break;
      } catch (error) {
        if (!(error instanceof Crash)) throw error;
        deaths += 1;
      }
    }
    lake.crash.disarm();
  }
  expect(deaths).toBeGreaterThan(40);
  expect(await lake.endRestore(ref)).toBe("Completed");
  expect(contentsOf(lake)).toEqual(wanted);
});

async function failingRestore(change: (lake: MemoryLake, ref: JobRef) => void): Promise<unknown> {
  const { lake, point } = await backedUp();
  const ref = await lake.requestRestore("restore", point);
  const messages = await lake.beginRestore(ref);
  change(lake, ref);
  return lake.restoreSegments(messages);
}

test("an object that is missing from the vault fails the restore and names the blob", async ({ expect }) => {
  const restored = failingRestore((lake) => {
    for (const path of lake.vault.files.keys()) if (path.startsWith("data/raw/n3/")) lake.vault.files.delete(path);
  });
  await expect(restored).rejects.toMatchObject({ code: "format/missing", message: expect.stringContaining("'n3'") });
});

test("an object that was altered in the vault fails the restore", async ({ expect }) => {
  const restored = failingRestore((lake) => {
    for (const [path, file] of lake.vault.files) {
      if (path.startsWith("data/raw/n3/")) lake.vault.files.set(path, { ...file, content: file.content.toUpperCase() });
    }
  });
  await expect(restored).rejects.toMatchObject({ code: "restore/target-changed" });
});

test("a blob of another in the target is neither written over nor taken for restored", async ({ expect }) => {
  const restored = failingRestore((lake) => lake.target.write("raw", "n3", "a stranger's"));
  await expect(restored).rejects.toMatchObject({ code: "restore/target-changed" });
});

test("a blob on which its writer set a wrong MD5 is restored all the same", async ({ expect }) => {
  const lake = new MemoryLake();
  await lake.protect();
  lake.source.createContainer("raw");
  lake.source.write("raw", "odd", "content", { claimedMd5: "AAAAAAAAAAAAAAAAAAAAAA==" });
  expect(await lake.restore("restore", await lake.backup("backup"))).toBe("Completed");
  expect(lake.target.container("raw").get("odd")?.content).toBe("content");
});

test("an altered segment, index or seal is refused by the chain of hashes", async ({ expect }) => {
  for (const part of [".ndjson.gz", "index.json"]) {
    const restored = failingRestore((lake) => {
      for (const [path, file] of lake.vault.files) {
        if (path.endsWith(part)) lake.vault.files.set(path, { ...file, content: `${file.content} ` });
      }
    });
    await expect(restored, part).rejects.toMatchObject({ code: "format/corrupt" });
  }
});

test("containers come back with their metadata and access level, and without the mark of the job", async ({
  expect,
}) => {
  const { lake } = await backedUp();
  const metadata = Object.fromEntries([
    ["Team", "lakes"],
    ["__proto__", "kept"],
    ["lakevaultjob", "the user's own"],
  ]);
  lake.source.properties.set("raw", { metadata, publicAccess: "blob" });
  lake.source.properties.set("not protected any more", { metadata });
  const point = await lake.backup("with properties");
  // What was there when the backup began counts.
  lake.source.properties.clear();
  expect(await lake.restore("restore", point)).toBe("Completed");
  expect(lake.target.owners.size).toBe(0);
  expect(lake.target.properties.get("raw")?.publicAccess).toBe("blob");
  expect(Object.entries(lake.target.properties.get("raw")?.metadata ?? {})).toEqual(Object.entries(metadata));
  expect(lake.target.properties.get("curated")).toEqual({});
});

test("a public container is restored private, with a warning, where the target allows no public access", async ({
  expect,
}) => {
  const { lake } = await backedUp();
  lake.source.properties.set("raw", { publicAccess: "container" });
  const point = await lake.backup("with properties");
  lake.targetAllowsPublicAccess = false;
  expect(await lake.restore("restore", point)).toBe("CompletedWithWarnings");
  expect(lake.target.properties.get("raw")).toEqual({});
  expect((await lake.job("restore")).warnings).toMatchObject({
    count: 1,
    first: [{ container: "raw", code: "public-access-not-permitted" }],
  });
});

test("wherever the end of a restore dies, beginning it anew ends it", async ({ expect }) => {
  const { lake } = await backedUp();
  lake.source.properties.set("raw", { metadata: { team: "lakes" } });
  const point = await lake.backup("with properties");
  let died = 0;
  for (let call = 1; call < 60; call++) {
    lake.target.containers.clear();
    lake.target.owners.clear();
    lake.target.properties.clear();
    const ref = await lake.requestRestore(`restore ${call}`, point);
    await lake.restoreSegments(await lake.beginRestore(ref));
    lake.crash.arm(call);
    try {
      await lake.endRestore(ref);
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      died += 1;
    }
    lake.crash.disarm();
    // As the watchdog does it: from the beginning.
    await lake.restoreSegments(await lake.beginRestore(ref));
    expect(await lake.endRestore(ref), String(call)).toBe("Completed");
    expect(lake.target.properties.get("raw"), String(call)).toEqual({ metadata: { team: "lakes" } });
    expect(lake.target.owners.size, String(call)).toBe(0);
  }
  expect(died).toBeGreaterThan(15);
});

test("a point that a newer Lakevault made is restored as far as this one knows it, with a warning", async ({
  expect,
}) => {
  const { lake, point } = await backedUp();
  const file = lake.vault.files.get(sealPath(point));
  if (file === undefined) throw new Error("there is no seal");
  const seal = JSON.parse(file.content) as { formatMinor: number };
  expect(seal.formatMinor).toBe(FORMAT_MINOR);
  const newer = { ...seal, formatMinor: FORMAT_MINOR + 1, added: "later" };
  lake.vault.files.set(sealPath(point), { ...file, content: JSON.stringify(newer) });
  expect(await lake.restore("restore", point)).toBe("CompletedWithWarnings");
  expect((await lake.job("restore")).warnings).toMatchObject({
    count: 1,
    first: [{ container: "", name: "", code: "format-newer-minor", message: expect.stringContaining("1.1") }],
  });
  expect(lake.target.container("raw").size).toBe(20);
});
