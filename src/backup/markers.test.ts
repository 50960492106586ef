import { test } from "vitest";
import { MemoryLake } from "../../test/support/memory-lake.ts";
import type { MarkerCheckMessage } from "./messages.ts";

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

test.for(["forged", undefined])(
  "a marker that is %s proves nothing: its container stays out",
  async (content, { expect }) => {
    const { lake, check } = await rangesIn();
    if (content === undefined) lake.source.container("raw").delete(".lakevault/one");
    else lake.source.write("raw", ".lakevault/one", content);
    await lake.deliver(check);
    expect(lake.events).toEqual(["replicated.raw"]);
    expect((await lake.work.get("one", "marker|raw"))?.value).toMatchObject({
      kind: "skipped",
      code: "container-replaced",
    });
    await expect(lake.seal({ vault: "vault", job: "one" })).rejects.toMatchObject({
      code: "datasource/container-not-found",
      message: expect.stringContaining("'raw' was deleted and made again"),
    });
  },
);

test("a marker that the vault does not hold as it was written is copied again", async ({ expect }) => {
  const { lake, check } = await rangesIn();
  const copyMarker = lake.vault.copyMarker.bind(lake.vault);
  lake.vault.copyMarker = async () => ({ kind: "copied", movedBytes: 0 });
  await expect(lake.deliver(check)).rejects.toMatchObject({ code: "marker/not-replicated", retryable: true });
  expect(lake.events).toEqual([]);
  lake.vault.copyMarker = copyMarker;
  await lake.deliver(check);
  expect(lake.events).toEqual(["replicated.raw"]);
});

test("a marker is written once, however often the step is repeated", async ({ expect }) => {
  const lake = new MemoryLake();
  await lake.protect();
  lake.source.createContainer("raw");
  const ref = await lake.requestBackup("one");
  await lake.beginMarked(ref);
  const marker = lake.source.container("raw").get(".lakevault/one");
  expect(marker).toBeDefined();
  await lake.beginMarked(ref);
  expect(lake.source.container("raw").get(".lakevault/one")).toBe(marker);
});

test("a marker that a late execution writes into a container that was made anew proves nothing", async ({ expect }) => {
  const { lake, check } = await rangesIn();
  lake.source.containers.delete("raw");
  lake.source.createContainer("raw");
  await lake.beginMarked({ vault: "vault", job: "one" });
  expect([...lake.source.container("raw").keys()]).toEqual([".lakevault/one"]);
  await lake.deliver(check);
  expect((await lake.work.get("one", "marker|raw"))?.value).toMatchObject({ code: "container-replaced" });
});

test("a job that is begun anew keeps a container that was replicated and is gone by now", async ({ expect }) => {
  const { lake, check } = await rangesIn();
  await lake.deliver(check);
  lake.source.containers.delete("raw");
  const ref = { vault: "vault", job: "one" };
  await lake.deliverAll(await lake.beginMarked(ref));
  expect(await lake.seal(ref)).toBe("Completed");
});

test("the root container, in which no name has a slash, is backed up and restored", async ({ expect }) => {
  const lake = new MemoryLake();
  await lake.protect();
  for (const container of ["$root", "$web"]) {
    lake.source.createContainer(container);
    lake.source.write(container, "index.html", container);
  }
  const job = "0f3b1c52-7a64-5e0d-9d3f-2b8a6c1e4d70";
  lake.source.write("$root", ".lakevault-notes", "a user's");
  const messages = await lake.beginBackup(await lake.requestBackup(job));
  expect([...lake.source.container("$root").keys()].sort()).toEqual([
    `.lakevault-${job}`,
    ".lakevault-notes",
    "index.html",
  ]);
  await lake.deliverAll(messages);
  expect(lake.events.toSorted()).toEqual(["replicated._root", "replicated._web"]);
  expect(await lake.seal({ vault: "vault", job })).toBe("Completed");
  expect([...lake.source.container("$root").keys()].sort()).toEqual([".lakevault-notes", "index.html"]);
  const point = (await lake.job(job)).recoveryPoint?.id ?? "";
  expect(await lake.restore("two", point)).toBe("Completed");
  expect([...lake.target.container("$root").keys()].sort()).toEqual([".lakevault-notes", "index.html"]);
});
