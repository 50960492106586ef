import { removeMarkersActivity } from "../../src/backup/remove-markers.ts";
import { listAttempts } from "../../src/debris/attempts.ts";
import { endJobActivity } from "../../src/jobs/end-job.ts";
import type { JobStatus } from "../../src/jobs/job.ts";
import type { SweepableVault } from "../../src/vault/vault-files.ts";
import type { CrashSwitch } from "./crash-switch.ts";
import type { MemoryAccount, MemoryBlob } from "./memory-account.ts";
import { MemoryLake, VAULT } from "./memory-lake.ts";
import type { Backups } from "./retention-world.ts";

const INSTANCE = "1".repeat(32);

/** The real in-memory engine. */
export class LakeBackups implements Backups {
  protected readonly lake = new MemoryLake({
    pageSize: 3,
    settings: { segmentSizes: { usual: 2, largest: 4, small: 1 } },
    planSettings: { rangeNames: 3 },
  });
  readonly moments = 260;
  protected last: string | undefined;
  #restores = 0;

  static async open(): Promise<LakeBackups> {
    const backups = new LakeBackups();
    await backups.lake.protect();
    return backups;
  }

  get source(): MemoryAccount {
    return this.lake.source;
  }

  get crash(): CrashSwitch {
    return this.lake.crash;
  }

  get files(): ReadonlyMap<string, MemoryBlob> {
    return this.lake.vault.files;
  }

  vault(): SweepableVault {
    return this.lake.deps.vault();
  }

  async backup(id: string): Promise<void> {
    this.last = id;
    const ref = await this.lake.requestBackup(id);
    await this.lake.deliverAll(await this.lake.beginBackup(ref));
    await this.lake.seal(ref);
  }

  async giveUp(id: string): Promise<void> {
    const ref = { vault: VAULT, job: id };
    await endJobActivity(this.lake.deps, { ...ref, failure: { code: "storage/unavailable", message: "gone" } });
    await removeMarkersActivity(this.lake.deps, ref);
  }

  async sweep(): Promise<void> {
    if (this.last !== undefined) await this.lake.sweep({ vault: VAULT, job: this.last });
  }

  async restore(recoveryPointId: string): Promise<ReadonlyMap<string, string>> {
    const { target } = this.lake;
    target.containers.clear();
    const status = await this.restoreOnce(`restore-${this.#restores++}`, recoveryPointId);
    if (status !== "Completed") throw new Error(`the restore of ${recoveryPointId} ended as ${status}`);
    return new Map(
      [...target.containers].flatMap(([container, blobs]) =>
        [...blobs].map(([name, { content }]) => [`${container}/${name}`, content] as const),
      ),
    );
  }

  protected restoreOnce(id: string, recoveryPointId: string): Promise<JobStatus> {
    return this.lake.restore(id, recoveryPointId);
  }

  async attempts(): Promise<number[]> {
    return (await listAttempts(this.lake.attempts, INSTANCE)).map(({ sequence }) => sequence);
  }
}
