import { test } from "vitest";
import { MemoryLake, VAULT } from "../../test/support/memory-lake.ts";
import { updateRecord } from "../foundation/records.ts";
import type { Job } from "../jobs/job.ts";
import type { JobRef } from "../jobs/job-ref.ts";
import { getWork, type PieceRecord, workRows } from "../jobs/work.ts";
import { sealPath } from "../vault/names.ts";
import { readSeal } from "../vault/read-manifest.ts";
import type { Seal } from "../vault/seal.ts";
import { encodeDocument } from "../vault/version.ts";
import { beginBackupActivity } from "./begin-backup.ts";
import { sealRecoveryPointActivity } from "./seal-recovery-point.ts";

const REF: JobRef = { vault: VAULT, job: "one" };
const INSTANCE = "1".repeat(32);

/** A backup of one container whose ranges and marker are in. */
async function replicated(names: readonly string[] = ["a", "b"]): Promise<{ lake: MemoryLake; point: string }> {
  const lake = new MemoryLake();
  await lake.protect();
  lake.source.createContainer("raw");
  for (const name of names) lake.source.write("raw", name, name);
  await lake.requestBackup(REF.job);
  await lake.deliverAll(await lake.beginBackup(REF));
  return { lake, point: (await lake.job("one")).recoveryPoint?.id ?? "" };
}

async function changeJob(lake: MemoryLake, change: (job: Job) => Job): Promise<void> {
  await updateRecord(lake.jobs, REF.vault, REF.job, change);
}

async function changePiece(lake: MemoryLake, change: (piece: PieceRecord) => PieceRecord): Promise<void> {
  const row = workRows.piece("raw", "000000", 0);
  const piece = await getWork(lake.work, REF.job, row, "piece");
  if (piece === undefined) throw new Error("no piece was worked");
  await lake.work.put(REF.job, row, change(piece));
}

test("a seal says up to which moment the point is complete: before its markers were written", async ({ expect }) => {
  const { lake, point } = await replicated();
  const { recoveryPoint } = await lake.job("one");
  lake.pass(60_000);
  await sealRecoveryPointActivity(lake.deps, REF);
  const { time, sealedAt } = await readSeal(lake.vault, point);
  expect(time).toBe(recoveryPoint?.time);
  expect(Date.parse(sealedAt) - Date.parse(time)).toBeGreaterThanOrEqual(60_000);
});

test("the moment of a point is settled before the first marker is written", async ({ expect }) => {
  const lake = new MemoryLake();
  await lake.protect();
  lake.source.createContainer("raw");
  await lake.requestBackup(REF.job);
  await beginBackupActivity(lake.deps, REF);
  const settled = (await lake.job("one")).recoveryPoint?.time;
  expect(settled).toBeDefined();
  lake.pass(60_000);
  await lake.deliverAll(await lake.beginBackup(REF));
  await sealRecoveryPointActivity(lake.deps, REF);
  const { recoveryPoint } = await lake.job("one");
  expect((await readSeal(lake.vault, recoveryPoint?.id ?? "")).time).toBe(settled);
});

test("a seal carries the tag, the policy, the promise and the slots on, and the row says the same", async ({
  expect,
}) => {
  const { lake, point } = await replicated();
  const settled = {
    tag: "Weekly",
    promisedUntil: "2026-09-01T00:00:00.000Z",
    scheduledSlot: "2026-01-01T00:00:00.000Z",
  };
  await changeJob(lake, (job) => ({ ...job, ...settled }));
  await sealRecoveryPointActivity(lake.deps, REF);
  const seal = await readSeal(lake.vault, point);
  const told = { ...settled, policy: "daily", slot: "2026-01-01T00:00:00.000Z", job: "one", sequence: 1, entries: 2 };
  expect(seal).toMatchObject({ ...told, instance: INSTANCE, bytes: 2 });
  expect((await lake.recoveryPoints.get(INSTANCE, point))?.value).toMatchObject(told);
});

test("without a promise or a slot, seal and row have neither", async ({ expect }) => {
  const { lake, point } = await replicated();
  await sealRecoveryPointActivity(lake.deps, REF);
  const seal = await readSeal(lake.vault, point);
  expect(seal).not.toHaveProperty("promisedUntil");
  expect(seal).not.toHaveProperty("scheduledSlot");
  expect(seal.tag).toBe("Default");
});

test.for([
  ["out of order", (one: PieceRecord["segments"][number]) => ({ ...one, first: "b", last: "a" })],
  ["not as long as it counted", (one: PieceRecord["segments"][number]) => ({ ...one, entries: one.entries + 1 })],
  ["not of the bytes that it counted", (one: PieceRecord["segments"][number]) => ({ ...one, bytes: one.bytes + 1 })],
] as const)("a container whose segments are %s is not sealed", async ([, damage], { expect }) => {
  const { lake, point } = await replicated();
  await changePiece(lake, (piece) => ({ ...piece, segments: piece.segments.map(damage) }));
  await expect(sealRecoveryPointActivity(lake.deps, REF)).rejects.toMatchObject({ code: "format/corrupt" });
  expect([...lake.vault.files.keys()].filter((path) => path.endsWith(".json"))).toEqual([]);
  expect(lake.vault.files.has(sealPath(point))).toBe(false);
});

test("a container with two segments that overlap is not sealed", async ({ expect }) => {
  const { lake, point } = await replicated();
  await changePiece(lake, (piece) => ({
    ...piece,
    segments: [...piece.segments, ...piece.segments],
    totals: { ...piece.totals, entries: 2 * piece.totals.entries, bytes: 2 * piece.totals.bytes },
  }));
  await expect(sealRecoveryPointActivity(lake.deps, REF)).rejects.toMatchObject({ code: "format/corrupt" });
  expect(lake.vault.files.has(sealPath(point))).toBe(false);
});

test("a container with a lost piece is not sealed", async ({ expect }) => {
  const { lake, point } = await replicated();
  await changePiece(lake, (piece) => ({ ...piece, from: { name: "b", after: false } }));
  await expect(sealRecoveryPointActivity(lake.deps, REF)).rejects.toMatchObject({ code: "manifest/incomplete" });
  expect(lake.vault.files.has(sealPath(point))).toBe(false);
});

test("a job that is cancelled before its seal seals nothing and writes no index", async ({ expect }) => {
  const { lake } = await replicated();
  await changeJob(lake, (job) => ({ ...job, status: "Cancelling" }));
  await expect(sealRecoveryPointActivity(lake.deps, REF)).rejects.toMatchObject({ code: "job/cancelled" });
  expect([...lake.vault.files.keys()].filter((path) => path.endsWith(".json"))).toEqual([]);
});

test("a job that is cancelled while its indexes are written seals nothing", async ({ expect }) => {
  const { lake, point } = await replicated();
  const vault = lake.deps.vault();
  const create: typeof vault.create = async (path, content, options) => {
    await changeJob(lake, (job) => ({ ...job, status: "Cancelling" }));
    return vault.create(path, content, options);
  };
  const read: typeof vault.read = (path) => vault.read(path);
  await expect(sealRecoveryPointActivity({ ...lake.deps, vault: () => ({ read, create }) }, REF)).rejects.toMatchObject(
    { code: "job/cancelled" },
  );
  expect(lake.vault.files.has(sealPath(point))).toBe(false);
  expect(await lake.recoveryPoints.get(INSTANCE, point)).toBeUndefined();
});

test("a job that was cancelled after its seal was written ends with its point", async ({ expect }) => {
  const { lake, point } = await replicated();
  await sealRecoveryPointActivity(lake.deps, REF);
  await lake.recoveryPoints.remove(INSTANCE, point);
  await changeJob(lake, (job) => ({ ...job, status: "Cancelling" }));
  expect(await sealRecoveryPointActivity(lake.deps, REF)).toMatchObject({ entries: 2 });
  expect((await lake.recoveryPoints.get(INSTANCE, point))?.value.id).toBe(point);
});

test("a seal of an earlier attempt stays, and the row is made of what it says", async ({ expect }) => {
  const { lake, point } = await replicated();
  await sealRecoveryPointActivity(lake.deps, REF);
  const first: Seal = await readSeal(lake.vault, point);
  lake.vault.files.delete(sealPath(point));
  const sealed: Seal = { ...first, sealedAt: "2026-01-01T00:00:00.500Z", tag: "Monthly" };
  await lake.vault.create(sealPath(point), encodeDocument(sealed), { contentType: "application/json" });
  await lake.recoveryPoints.remove(INSTANCE, point);

  lake.pass(60_000);
  await sealRecoveryPointActivity(lake.deps, REF);
  expect(await readSeal(lake.vault, point)).toEqual(sealed);
  expect((await lake.recoveryPoints.get(INSTANCE, point))?.value).toMatchObject({
    sealedAt: sealed.sealedAt,
    tag: "Monthly",
  });
});

test("a job that has ended is not sealed again, and tells its totals", async ({ expect }) => {
  const { lake, point } = await replicated();
  const totals = await sealRecoveryPointActivity(lake.deps, REF);
  await changeJob(lake, (job) => ({ ...job, status: "Completed" }));
  lake.vault.files.delete(sealPath(point));
  expect(await sealRecoveryPointActivity(lake.deps, REF)).toEqual(totals);
  expect(lake.vault.files.has(sealPath(point))).toBe(false);
});

test("warnings of the job and of its containers are in the seal and on the job", async ({ expect }) => {
  const { lake, point } = await replicated(["a", "b", "c"]);
  const warning = { container: "raw", name: "c", code: "archived", message: "in the archive tier" };
  const gone = { container: "gone", name: "", code: "container-missing", message: "the container does not exist" };
  await changePiece(lake, (piece) => ({ ...piece, warnings: { count: 3, first: [warning] } }));
  await changeJob(lake, (job) => ({ ...job, warnings: { count: 1, first: [gone] } }));
  await sealRecoveryPointActivity(lake.deps, REF);
  const warnings = { count: 4, first: [gone, warning] };
  expect((await readSeal(lake.vault, point)).warnings).toEqual(warnings);
  expect((await lake.job("one")).warnings).toEqual(warnings);
  expect((await lake.recoveryPoints.get(INSTANCE, point))?.value.warnings).toBe(4);
});

test("a hundred blobs that could not be taken are no container that is missing", async ({ expect }) => {
  const { lake } = await replicated();
  const warnings = Array.from({ length: 100 }, (_, i) => ({
    ...{ container: "raw", name: `n${i}`, code: "archived", message: "in the archive tier" },
  }));
  await changePiece(lake, (piece) => ({ ...piece, warnings: { count: 100, first: warnings } }));
  await sealRecoveryPointActivity(lake.deps, REF);
  expect(lake.alerts.size).toBe(0);
});

test("a job without any container seals an empty point", async ({ expect }) => {
  const { lake, point } = await replicated();
  await changeJob(lake, (job) => ({ ...job, containers: [] }));
  expect(await sealRecoveryPointActivity(lake.deps, REF)).toMatchObject({ entries: 0 });
  expect((await readSeal(lake.vault, point)).containers).toEqual([]);
});

test.for([
  [["container-missing", "container-replaced"], "datasource/container-not-found"],
  [["container-missing", "ContainerDisabled"], "datasource/refused"],
] as const)("a job whose containers are all skipped as %o fails with %s", async ([codes, code], { expect }) => {
  const { lake, point } = await replicated();
  await changeJob(lake, (job) => ({ ...job, containers: ["raw", "other"] }));
  for (const [i, container] of ["raw", "other"].entries()) {
    const skipped = { kind: "skipped", container, code: codes[i] ?? "", message: `${container} is not there` } as const;
    await lake.work.put(REF.job, workRows.marker(container), skipped);
  }
  await expect(sealRecoveryPointActivity(lake.deps, REF)).rejects.toMatchObject({
    code,
    message: "no container is left to back up: raw is not there",
  });
  expect(lake.vault.files.has(sealPath(point))).toBe(false);
});

test("containers in which a piece was begun twice are noted for the sweep", async ({ expect }) => {
  const { lake } = await replicated();
  await lake.work.put(REF.job, workRows.repeat("raw", "000000", 0), { kind: "repeat", container: "raw" });
  await sealRecoveryPointActivity(lake.deps, REF);
  const [attempt] = Object.values(lake.attempts.dump()[INSTANCE] ?? {});
  expect(attempt).toMatchObject({ job: "one", containers: ["raw"] });
});

test.for([undefined, "another"])(
  "an index that is there and is not the same (%s) is refused",
  async (text, { expect }) => {
    const { lake, point } = await replicated();
    const there = text === undefined ? undefined : new TextEncoder().encode(text);
    const vault = lake.deps.vault();
    const isIndex = (path: string): boolean => path.endsWith("index.json");
    const create: typeof vault.create = async (path, content, options) =>
      isIndex(path) ? false : vault.create(path, content, options);
    const read: typeof vault.read = async (path) => (isIndex(path) ? there : vault.read(path));
    await expect(
      sealRecoveryPointActivity({ ...lake.deps, vault: () => ({ read, create }) }, REF),
    ).rejects.toMatchObject({
      code: "format/corrupt",
      hint: expect.stringContaining("start the backup again"),
    });
    expect(lake.vault.files.has(sealPath(point))).toBe(false);
  },
);
