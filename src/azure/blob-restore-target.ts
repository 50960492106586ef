import { createHash } from "node:crypto";
import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import type {
  ContainerOwner,
  Refusal,
  RestoredBlob,
  RestoreOutcome,
  RestoreTarget,
  SealedProperties,
} from "../restore/restore-target.ts";
import type { Entry } from "../vault/entry.ts";
import { vaultContainerName } from "../vault/names.ts";
import type { BlobAccount } from "./blob-account.ts";
import { copyBlob } from "./copy-blob.ts";
import { COPY_LIMITS, type CopyLimits, type CopyRequest } from "./copy-request.ts";
import { listBlobPages } from "./list-blobs.ts";
import { md5Of } from "./listed-blobs.ts";
import { answerOrNone, ifFound, mapError, mapping, type Place, serviceCodeOf, statusOf } from "./map-error.ts";
import { readPart } from "./read-content.ts";
import { copyUntilWhole } from "./settle-copy.ts";

/** Metadata of a container that a restore created: the job's id. Metadata names are lower case on the wire. */
const JOB_METADATA = "lakevaultjob";

/** Duration of a container lease that is not released; the minimum of the service. */
const LEASE_SECONDS = 15;

/** A storage account that a restore writes to, from the vault container of one instance. */
export class BlobRestoreTarget implements RestoreTarget {
  readonly #account: BlobAccount;
  readonly #vault: BlobAccount;
  readonly #vaultContainer: string;
  readonly #place: Place;
  readonly #limits: CopyLimits;

  constructor(account: BlobAccount, vault: BlobAccount, instanceId: string, limits: CopyLimits = COPY_LIMITS) {
    this.#account = account;
    this.#vault = vault;
    this.#vaultContainer = vaultContainerName(instanceId);
    this.#place = { kind: "target", account: account.name };
    this.#limits = limits;
  }

  async look(container: string, jobId: string): Promise<ContainerOwner | undefined> {
    return mapping(this.#place, async () => {
      const properties = await ifFound(() => this.#account.container(container).getProperties());
      return properties && (properties.metadata?.[JOB_METADATA] === jobId ? "ours" : "foreign");
    });
  }

  async createContainer(container: string, jobId: string): Promise<ContainerOwner> {
    await mapping(this.#place, () =>
      this.#account.container(container).createIfNotExists({ metadata: { [JOB_METADATA]: jobId } }),
    );
    return (await this.look(container, jobId)) ?? "foreign";
  }

  /**
   * The service accepts no ETag here, so the mark is read and removed under a lease: a late request, after the
   * container was recreated, has a lease id that is not valid there.
   *
   * @see https://learn.microsoft.com/rest/api/storageservices/set-container-metadata
   */
  async finishContainer(container: string, jobId: string, properties: SealedProperties): Promise<readonly Refusal[]> {
    if ((await this.look(container, jobId)) !== "ours") return [];
    const lease = this.#account.container(container).getBlobLeaseClient();
    return mapping({ ...this.#place, container }, async () => {
      try {
        await lease.acquireLease(LEASE_SECONDS);
      } catch (error) {
        if (serviceCodeOf(error) !== "LeaseAlreadyPresent") throw error;
        throw new VaultError("storage/conflict", `container '${container}' is being completed by another execution`);
      }
      try {
        if ((await this.look(container, jobId)) !== "ours") return [];
        return await this.#finishLeased(container, properties, lease.leaseId);
      } catch (error) {
        // The lease expired before its work was done.
        if (statusOf(error) !== 412) throw error;
        throw new VaultError("storage/conflict", `the lease of container '${container}' expired`, { cause: error });
      } finally {
        // The lease also expires by itself.
        await lease.releaseLease().catch(() => undefined);
      }
    });
  }

  async #finishLeased(
    container: string,
    { metadata = {}, publicAccess }: SealedProperties,
    leaseId: string,
  ): Promise<readonly Refusal[]> {
    const client = this.#account.container(container);
    const conditions = { leaseId };
    const refused: Refusal[] = [];
    if (publicAccess !== undefined) {
      try {
        await client.setAccessPolicy(publicAccess, undefined, { conditions });
      } catch (error) {
        // "Public access is not permitted on this storage account."
        const code = serviceCodeOf(error);
        if (code !== "PublicAccessNotPermitted") throw error;
        const message = `the target account does not allow public access, so the container is private; it was '${publicAccess}' (${code})`;
        refused.push({ code: "public-access-not-permitted", message });
      }
    }
    // Last, because it removes the mark.
    try {
      await this.#account.writing(metadata, client).setMetadata({ ...metadata }, { conditions });
    } catch (error) {
      const { status, code } = answerOrNone(error);
      if (status !== 400) throw error;
      await client.setMetadata({}, { conditions });
      const message = `the target account refuses the container's metadata, so it has none (${code})`;
      refused.push({ code: "metadata-refused", message });
    }
    return refused;
  }

  async copyObject(
    objectPath: string,
    container: string,
    entry: Entry,
    shouldContinue: () => boolean,
  ): Promise<RestoreOutcome> {
    if (entry.type === "directory") return this.#createDirectory(container, entry);
    const request: CopyRequest = {
      from: { account: this.#vault, container: this.#vaultContainer, name: objectPath, place: { kind: "vault" } },
      to: { account: this.#account, container, name: entry.name, place: this.#place },
      size: entry.size,
      shouldContinue,
      ...present({ type: entry.type, tier: entry.tier, tags: entry.tags }),
    };
    // A blob of another length is not deleted: the next listing reports that the target was changed.
    const result = await copyUntilWhole(request, this.#limits, copyBlob, ({ status }) => status === "success");
    switch (result.kind) {
      case "copied":
        return { kind: result.wasThere === true ? "exists" : "copied" };
      case "unfinished":
        return { kind: "unfinished" };
      case "gone":
      case "changed":
        return { kind: "missing" };
      case "unreadable":
        return { kind: "unreadable", message: result.message };
      case "refused":
        throw new VaultError("storage/refused", result.message, { serviceCode: result.code });
    }
  }

  /**
   * With a hierarchical namespace a blob with this mark is a directory; in a flat account it stays a blob, as other
   * tools do.
   */
  async #createDirectory(container: string, { name, metadata = {} }: Entry): Promise<RestoreOutcome> {
    return mapping(this.#place, async () => {
      try {
        await this.#account
          .writing(metadata, this.#account.container(container, "once").getBlockBlobClient(name))
          .upload("", 0, { metadata: { ...metadata, hdi_isfolder: "true" }, conditions: { ifNoneMatch: "*" } });
        return { kind: "copied" };
      } catch (error) {
        const status = statusOf(error);
        if (status === 409 || status === 412) return { kind: "exists" };
        throw error;
      }
    });
  }

  async contentMd5(container: string, name: string): Promise<string> {
    return mapping(this.#place, async () => {
      const hash = createHash("md5");
      const blob = this.#account.container(container).getBlobClient(name);
      for await (const piece of readPart(blob, { from: 0 })) hash.update(piece);
      return hash.digest("base64");
    });
  }

  async *listPages(container: string, from: string): AsyncGenerator<readonly RestoredBlob[], void, undefined> {
    try {
      for await (const page of listBlobPages(this.#account, container, { startFrom: from, include: ["copy"] })) {
        yield page.map(({ name, properties }) => ({
          name,
          size: properties.contentLength ?? 0,
          ...md5Of(properties.contentMD5),
          isWhole: properties.copyStatus === undefined || properties.copyStatus === "success",
        }));
      }
    } catch (error) {
      throw mapError(error, this.#place);
    }
  }
}
