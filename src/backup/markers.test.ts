import { test } from "vitest";
import { MemoryLake } from "../../test/support/memory-lake.ts";
import type { MarkerCheckMessage } from "./contract.ts";

async function rangesIn(): Promise<{ lake: MemoryLake; check: MarkerCheckMessage }> {
  const lake = new MemoryLake();
  await lake.protect();
  lake.source.createContainer("raw");
  const [range] = await lake.beginBackup(await lake.requestBackup("one"));
  if (range === undefined) throw new Error("no range was planned");
  const [check] = await lake.deliver(range);
  if (check === undefined || !("group" in check)) throw new Error("no marker check followed");
  return { lake, check };
}

test("the marker is written before the listing, replicated after it, and removed at the end", async ({ expect }) => {
  const { lake, check } = await rangesIn();
  expect([...lake.source.container("raw").keys()]).toEqual([".lakevault/one"]);
  expect(lake.events).toEqual([]);
  await lake.deliver(check);
  expect(lake.events).toEqual(["replicated.raw"]);
  expect(lake.vault.files.get("markers/one/raw")?.content).toContain('"job":"one"');
  await lake.seal({ vault: "vault", job: "one" });
  expect(lake.source.container("raw").size).toBe(0);
});

test("a check that comes before all ranges are in says nothing", async ({ expect }) => {
  const lake = new MemoryLake();
  await lake.protect();
  lake.source.createContainer("raw");
  const ref = await lake.requestBackup("one");
  await lake.beginBackup(ref);
  expect(await lake.deliver({ ...ref, container: "raw", group: 0 })).toEqual([]);
  expect(lake.events).toEqual([]);
});

test("a check that is repeated raises the event again and changes nothing", async ({ expect }) => {
  const { lake, check } = await rangesIn();
  await lake.deliver(check);
  const files = [...lake.vault.files.keys()];
  await lake.deliver(check);
  expect([...lake.vault.files.keys()]).toEqual(files);
  expect(lake.events).toEqual(["replicated.raw", "replicated.raw"]);
});

test("a marker that was removed or forged proves nothing", async ({ expect }) => {
  const { lake, check } = await rangesIn();
  lake.source.write("raw", ".lakevault/one", "forged");
  await expect(lake.deliver(check)).rejects.toMatchObject({ code: "marker/not-replicated" });
  lake.source.container("raw").delete(".lakevault/one");
  await expect(lake.deliver(check)).rejects.toMatchObject({ code: "marker/not-replicated" });
  expect(lake.events).toEqual([]);
});
