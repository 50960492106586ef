import { test } from "vitest";
import { dailyLake } from "../../test/support/daily-lake.ts";
import { VAULT } from "../../test/support/memory-lake.ts";
import { DAY_MS } from "../foundation/durations.ts";
import { ManifestCache } from "../vault/manifest-cache.ts";
import { planRetention } from "./plan-retention.ts";
import { previewRetention } from "./preview-retention.ts";

test("a dry run counts for each point exactly what its purge then deletes", async ({ expect }) => {
  const { lake, points } = await dailyLake(10);
  // A day without a change, and one with a deletion.
  lake.source.container("raw").delete("same");
  points.push(await lake.backup("removed"));
  lake.pass(3 * DAY_MS);
  const instance = (await lake.instances.get(VAULT, "lake"))?.value;
  if (instance === undefined) throw new Error("no instance");
  const plan = await planRetention(lake.deps, instance, VAULT);
  const before = new Set(lake.vault.files.keys());
  const deps = { instance: instance.id, vault: lake.vault, manifests: new ManifestCache() };
  const previews = await previewRetention(deps, plan, () => true);
  expect(new Set(lake.vault.files.keys())).toEqual(before);
  expect([...previews.keys()]).toEqual(plan.expired.map(({ id }) => id));
  const counted = [...previews.values()].map((preview) => {
    if (!("objects" in preview)) throw new Error(preview.problem);
    return preview;
  });
  const sum = (of: "objects" | "objectBytes" | "segments" | "deleteRequests"): number =>
    counted.reduce((total, preview) => total + preview[of], 0);
  expect(counted.length).toBeGreaterThan(5);
  expect(await lake.retain("one")).toBe("Completed");
  expect((await lake.job("one")).counts).toMatchObject({
    recoveryPointsPurged: counted.length,
    objectsRemoved: sum("objects"),
    bytesRemoved: sum("objectBytes"),
    segmentsRemoved: sum("segments"),
    deleteRequests: sum("deleteRequests"),
  });
  expect(sum("objectBytes")).toBeGreaterThan(0);
});
