/**
 * @module
 * Races of the real adapters: see `test/support/blob-service/lake-races.ts`. `npm run soak:races` runs many more.
 */
import { isMainThread } from "node:worker_threads";
import { describe, test } from "vitest";
import { serve, type WireAnswer, type WireRequest } from "../../test/support/blob-service/blob-wire.ts";
import { addOutcomes, noOutcome, runLakeRace } from "../../test/support/blob-service/lake-races.ts";
import { openAccount } from "../../test/support/blob-service/race.ts";
import { StoredBlobs } from "../../test/support/blob-service/stored-blobs.ts";
import { SOAK_FACTOR } from "../../test/support/soak-factor.ts";
import { BlobBackupVault } from "./blob-vault.ts";
import { COPY_LIMITS } from "./copy-request.ts";

/** Fewer for each mutant of `npm run mutants`: Stryker runs tests in threads, Vitest in processes. */
const RACES = (isMainThread ? 12 : 8) * SOAK_FACTOR;

// Half a minute of processor time, on a machine that may be busy with other tests.
test("however two executions interleave, fail and are late, a sealed point and a completed restore are complete", {
  timeout: 240_000,
}, async ({ expect }) => {
  let sum = noOutcome();
  for (let seed = 1; seed <= RACES; seed++) sum = addOutcomes(sum, await runLakeRace(seed));
  expect(sum.entries).toBeGreaterThan(RACES * 6);
  for (const count of ["lostAnswers", "late", "deaths", "copiesFailed", "redelivered"] as const) {
    expect(sum[count], count).toBeGreaterThan(RACES);
  }
  expect(sum.refusedRemovals).toBeGreaterThan(RACES / 4);
  expect(sum.later).toBeGreaterThan(0);
});

describe("where there are no snapshots, as with a hierarchical namespace,", () => {
  /** @param meanwhile - happens when the copy has begun */
  async function copyDisk(meanwhile: (blobs: StoredBlobs) => void) {
    const blobs = new StoredBlobs();
    blobs.hasSnapshots = false;
    blobs.createContainer("prodlake", "raw");
    blobs.createContainer("vault", "bi-1");
    const disk = { type: "PageBlob" as const, content: Buffer.from("first"), metadata: { Owner: "finance" } };
    const { etag } = blobs.put("prodlake", "raw", "disk", disk);
    const send = async (request: WireRequest): Promise<WireAnswer> => {
      const answer = serve(blobs, request);
      if (blobs.pendingCopies > 0) {
        meanwhile(blobs);
        blobs.endCopy(0, "success");
      }
      return answer;
    };
    const account = (name: string) => openAccount(name, send, () => blobs.now);
    const vault = new BlobBackupVault(account("vault"), "1", account("prodlake"), {
      limits: { ...COPY_LIMITS, pause: async () => undefined },
    });
    const version = { container: "raw", name: "disk", etag, size: 5, type: "page" as const };
    const outcome = await vault.copyObject(version, `data/raw/disk/${etag}.1`, () => true);
    return { outcome, objects: blobs.container("vault", "bi-1").blobs };
  }

  test("a blob that nobody writes is copied", async ({ expect }) => {
    const { outcome, objects } = await copyDisk(() => undefined);
    expect(outcome).toMatchObject({ kind: "copied", movedBytes: 5 });
    expect([...objects.values()].map(({ content }) => content.toString())).toEqual(["first"]);
  });

  test("a copy during a write does not count, and is deleted", async ({ expect }) => {
    const { outcome, objects } = await copyDisk((blobs) => {
      blobs.put("prodlake", "raw", "disk", { type: "PageBlob", content: Buffer.from("other") });
    });
    expect(outcome).toEqual({ kind: "changed" });
    expect([...objects.keys()]).toEqual([]);
  });
});
