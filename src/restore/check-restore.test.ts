import { test } from "vitest";
import { backedUp } from "../../test/support/backed-up-lake.ts";
import { Crash } from "../../test/support/crash-switch.ts";
import { sealPath } from "../vault/names.ts";
import { FORMAT_MINOR } from "../vault/version.ts";

test("restored containers have their metadata and access level, and no mark of the job", async ({ expect }) => {
  const { lake } = await backedUp();
  const metadata = Object.fromEntries([
    ["Team", "lakes"],
    ["__proto__", "kept"],
    ["lakevaultjob", "the user's own"],
  ]);
  lake.source.properties.set("raw", { metadata, publicAccess: "blob" });
  lake.source.properties.set("not protected any more", { metadata });
  const point = await lake.backup("with properties");
  // The state at the start of the backup counts.
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

test("wherever the end of a restore crashes, a restart completes it", async ({ expect }) => {
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
    // Like the watchdog: from the beginning.
    await lake.restoreSegments(await lake.beginRestore(ref));
    expect(await lake.endRestore(ref), String(call)).toBe("Completed");
    expect(lake.target.properties.get("raw"), String(call)).toEqual({ metadata: { team: "lakes" } });
    expect(lake.target.owners.size, String(call)).toBe(0);
  }
  expect(died).toBeGreaterThan(15);
});

test("what this version knows of a newer Lakevault's point is restored, with a warning", async ({ expect }) => {
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
