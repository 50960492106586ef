import { test } from "vitest";
import { MAX_REMOVALS, type Removal } from "../vault/vault-files.ts";
import { RemovalBatches } from "./removal-batches.ts";
import type { PurgeStep } from "./walk-purge.ts";

const WRITTEN_UNTIL = new Date("2026-03-01T00:00:00Z");

async function* steps(...some: PurgeStep[]): AsyncGenerator<PurgeStep> {
  yield* some;
}

const file = (path: string, more: Partial<Extract<PurgeStep, { step: "file" }>> = {}): PurgeStep => ({
  step: "file",
  kind: "object",
  path,
  size: 3,
  ...more,
});

function recording(changed: readonly string[] = []) {
  const requests: (readonly Removal[])[] = [];
  const batches = new RemovalBatches(async (files) => {
    requests.push(files);
    return files.map(({ path }) => path).filter((path) => changed.includes(path));
  }, WRITTEN_UNTIL);
  return { requests, batches };
}

test("a listed file is deleted under its ETag, and one that a manifest names only if it was written before the journal", async ({
  expect,
}) => {
  const { requests, batches } = recording();
  await batches.follow(steps(file("listed", { etag: "0x1" }), file("named")), () => true);
  expect(requests).toEqual([
    [
      { path: "listed", etag: "0x1" },
      { path: "named", writtenUntil: WRITTEN_UNTIL },
    ],
  ]);
});

test("files before a barrier are deleted before those after it, in full requests", async ({ expect }) => {
  const { requests, batches } = recording();
  const objects = Array.from({ length: MAX_REMOVALS + 1 }, (_, n) => file(`o${n}`));
  const segment = file("segment", { kind: "segment" });
  await batches.follow(steps(...objects, { step: "barrier" }, segment), () => true);
  expect(requests.map((files) => files.length)).toEqual([MAX_REMOVALS, 1, 1]);
  expect(requests[2]?.[0]?.path).toBe("segment");
  expect(batches.counts).toMatchObject({ objects: MAX_REMOVALS + 1, segments: 1, deleteRequests: 3 });
  expect(batches.counts.objectBytes).toBe(3 * (MAX_REMOVALS + 1));
});

test("a file that was written again stays, and is counted as such", async ({ expect }) => {
  const { batches } = recording(["again"]);
  await batches.follow(steps(file("again"), file("gone")), () => true);
  expect(batches.counts).toMatchObject({ objects: 1, objectBytes: 3, changed: 1 });
});

test("at a pause without time what came before is deleted, and the position is returned", async ({ expect }) => {
  const from = { recoveryPoint: "p", container: "raw", segment: 1 };
  const { requests, batches } = recording();
  const walk = steps(file("before"), { step: "pause", from }, file("after"));
  expect(await batches.follow(walk, () => false)).toEqual({ from });
  expect(requests.flat().map(({ path }) => path)).toEqual(["before"]);
  const whole = recording();
  expect(await whole.batches.follow(steps(file("a"), { step: "pause", from }, file("b")), () => true)).toBeUndefined();
  expect(whole.requests.flat().map(({ path }) => path)).toEqual(["a", "b"]);
});
