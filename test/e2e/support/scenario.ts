/**
 * @module
 * One protected lake, with its own names in an estate, so that tests and runs do not interfere.
 */
import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { BACKUP_BODY, instanceBody, policyBody, restoreBody, VAULT_BODY } from "../../../local/demo/arm-bodies.ts";
import { type ArmAnswer, type ArmJob, GROUP } from "../../../local/demo/arm-client.ts";
import { mapBounded } from "../../../src/foundation/bounded-pool.ts";
import { isSourceMarker } from "../../../src/vault/names.ts";
import type { Estate } from "./estate.ts";

export interface BlobState {
  readonly content: string;
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The contents of containers: `container/name` to the blob. */
export type LakeState = Readonly<Record<string, BlobState>>;

/** Concurrent requests. */
const WIDTH = 32;

/** Poll interval of a job. */
const POLL_MS = 100;

export class Scenario {
  readonly estate: Estate;
  readonly id = randomUUID().slice(0, 8);
  readonly vault = `${GROUP}/providers/Microsoft.DataProtection/backupVaults/vault-${this.id}`;
  readonly policy = `${this.vault}/backupPolicies/daily`;
  readonly instance = `${this.vault}/backupInstances/prodlake-prodlake-${this.id}`;
  readonly containers: readonly string[];

  constructor(estate: Estate, containers: readonly string[] = ["raw", "curated"]) {
    this.estate = estate;
    this.containers = containers.map((name) => `${name}-${this.id}`);
  }

  instanceBody(containers: readonly string[] = this.containers, account = "prodlake"): object {
    return instanceBody(account, this.policy, containers);
  }

  async createContainers(): Promise<void> {
    for (const container of this.containers) await this.estate.blobs("prodlake").createContainer(container);
  }

  /** Creates vault, policy and backup instance; the containers must exist. */
  async protect(interval?: string, policy: object = policyBody(interval)): Promise<void> {
    const { api } = this.estate;
    await api.run("PUT", this.vault, VAULT_BODY);
    await api.run("PUT", this.policy, policy);
    await api.run("PUT", this.instance, this.instanceBody());
  }

  /** Writes `count` blobs per container. */
  async fill(count: number): Promise<void> {
    const names = this.containers.flatMap((container) =>
      Array.from({ length: count }, (_, i) => ({ container, name: `dir ${i % 7}/${i}/ü+%23.txt`, i })),
    );
    await mapBounded(names, WIDTH, ({ container, name, i }) =>
      this.write(container, name, `content ${i} of ${container}`),
    );
  }

  async write(container: string, name: string, content: string): Promise<void> {
    const blob = this.estate.blobs("prodlake").getContainerClient(container).getBlockBlobClient(name);
    await blob.upload(content, Buffer.byteLength(content), {
      blobHTTPHeaders: { blobContentType: `text/x-${content.length}` },
      metadata: { length: String(content.length) },
    });
  }

  async state(account: "prodlake" | "restored"): Promise<LakeState> {
    const found: Record<string, BlobState> = {};
    for (const container of this.containers) {
      const client = this.estate.blobs(account).getContainerClient(container);
      const names: string[] = [];
      // A job that has ended may be about to delete its markers.
      for await (const { name } of client.listBlobsFlat()) if (!isSourceMarker(container, { name })) names.push(name);
      await mapBounded(names, WIDTH, async (name) => {
        const response = await client.getBlobClient(name).download();
        const parts: Buffer[] = [];
        for await (const part of response.readableStreamBody ?? []) parts.push(Buffer.from(part));
        found[`${container}/${name}`] = {
          content: Buffer.concat(parts).toString(),
          contentType: response.contentType ?? "",
          metadata: response.metadata ?? {},
        };
      });
    }
    return found;
  }

  startBackup(): Promise<string> {
    return this.estate.api.startJob(`${this.instance}/backup`, BACKUP_BODY);
  }

  startRestore(recoveryPointId: string): Promise<string> {
    return this.estate.api.startJob(`${this.instance}/restore`, restoreBody(recoveryPointId, "restored"));
  }

  wait(job: string): Promise<ArmJob> {
    return this.estate.api.waitForJob(job);
  }

  /** Cancels a job once it has copied something. @returns the ended job */
  async cancelAtWork(job: string): Promise<ArmJob> {
    const { api } = this.estate;
    for (;;) {
      const { properties } = (await this.get(job)).body as ArmJob;
      if (properties.status !== "InProgress") throw new Error(`the job was '${properties.status}' before its cancel`);
      if (Number(properties.extendedInfo?.additionalDetails?.["copied"]) > 0) break;
      await setTimeout(POLL_MS);
    }
    await api.run("POST", `${job}/cancel`, undefined);
    return (await this.get(job)).body as ArmJob;
  }

  /** Names of the recovery points, newest first. */
  async recoveryPoints(): Promise<string[]> {
    const { value } = (await this.get(`${this.instance}/recoveryPoints`)).body as { value: { name: string }[] };
    return value.map(({ name }) => name);
  }

  get(path: string): Promise<ArmAnswer> {
    return this.estate.api.request("GET", path);
  }

  /** Empties the target, so that the next restore finds no container. */
  async emptyTarget(): Promise<void> {
    for (const container of this.containers) {
      await this.estate.blobs("restored").getContainerClient(container).deleteIfExists();
    }
  }
}
