import { test } from "vitest";
import { backedUp, contentsOf } from "../../test/support/backed-up-lake.ts";
import { Crash } from "../../test/support/crash-switch.ts";
import { MemoryLake } from "../../test/support/memory-lake.ts";
import type { JobRef } from "../jobs/job-ref.ts";
import { restoreSegment } from "./restore-segment.ts";

async function failingRestore(change: (lake: MemoryLake, ref: JobRef) => void): Promise<unknown> {
  const { lake, point } = await backedUp();
  const ref = await lake.requestRestore("restore", point);
  const messages = await lake.beginRestore(ref);
  change(lake, ref);
  return lake.restoreSegments(messages);
}

test("a whole account is restored: contents, metadata, tags and empty containers", async ({ expect }) => {
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
});

test("wherever a segment's restore crashes, a second attempt ends with the same blobs", async ({ expect }) => {
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

test("a foreign blob in the target is neither overwritten nor counted as restored", async ({ expect }) => {
  const restored = failingRestore((lake) => lake.target.write("raw", "n3", "a stranger's"));
  await expect(restored).rejects.toMatchObject({ code: "restore/target-changed" });
});

test("a blob with a wrong MD5 from its writer is restored", async ({ expect }) => {
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
