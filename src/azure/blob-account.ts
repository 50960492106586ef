import type { TokenCredential } from "@azure/identity";
import {
  type BlobClient,
  BlobSASPermissions,
  type BlobSASSignatureValues,
  BlobServiceClient,
  BlockBlobClient,
  type ContainerClient,
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  type HttpAuthorization,
  newPipeline,
  type StoragePipelineOptions,
  StorageSharedKeyCredential,
  type UserDelegationKey,
} from "@azure/storage-blob";
import type { Clock } from "../foundation/clock.ts";

/** How an account is reached: with its key (Azurite, tests), or with the app's identity (Azure). */
export type AccountAccess =
  | { readonly kind: "key"; readonly connectionString: string }
  | { readonly kind: "identity"; readonly blobServiceUri: string; readonly credential: TokenCredential };

/** Where a server-side copy reads, and with what right. Lives only as long as the request. */
export interface CopySource {
  readonly url: string;
  readonly authorization?: HttpAuthorization;
}

/**
 * Retries inside one request, for what passes in a moment. What lasts longer is for the caller, who knows how many
 * requests are under way: a throttled account is not helped by each of them waiting on its own.
 */
const PIPELINE: StoragePipelineOptions = {
  retryOptions: { maxTries: 4, retryDelayInMs: 500, maxRetryDelayInMs: 4_000 },
};

const STORAGE_SCOPE = "https://storage.azure.com/.default";

const MINUTE_MS = 60_000;
/** Clocks of two machines differ; a signature that begins a little before now is taken by both. */
const SIGNATURE_SKEW_MS = 5 * MINUTE_MS;
const SIGNATURE_LIFE_MS = 120 * MINUTE_MS;
/** A signature that is handed out is good for at least this long. */
const SIGNATURE_REST_MS = 60 * MINUTE_MS;

interface Kept<T> {
  readonly value: Promise<T>;
  readonly until: number;
}

/** One storage account: its blobs, and the right to copy from it. */
export class BlobAccount {
  readonly name: string;
  readonly service: BlobServiceClient;
  readonly #credential: StorageSharedKeyCredential | TokenCredential;
  readonly #clock: Clock;
  readonly #signatures = new Map<string, Kept<string>>();
  #delegation: Kept<UserDelegationKey> | undefined;

  /** @throws Error when the connection string is none; it does not quote it */
  constructor(access: AccountAccess, clock: Clock) {
    this.#clock = clock;
    if (access.kind === "identity") {
      this.#credential = access.credential;
      this.service = new BlobServiceClient(access.blobServiceUri, access.credential, PIPELINE);
    } else {
      this.service = BlobServiceClient.fromConnectionString(access.connectionString, PIPELINE);
      if (!(this.service.credential instanceof StorageSharedKeyCredential)) {
        throw new Error("a connection string needs AccountName and AccountKey");
      }
      this.#credential = this.service.credential;
    }
    this.name = this.service.accountName;
  }

  container(name: string): ContainerClient {
    return this.service.getContainerClient(name);
  }

  /** A client whose `stageBlockFromURL` copies only while the source has this etag; the SDK has no option for it. */
  pinnedTo(sourceEtag: string, blob: BlobClient): BlockBlobClient {
    const pipeline = newPipeline(this.#credential, PIPELINE);
    pipeline.factories.push({
      create: (next) => ({
        sendRequest: (request) => {
          if (request.headers.contains("x-ms-copy-source")) request.headers.set("x-ms-source-if-match", sourceEtag);
          return next.sendRequest(request);
        },
      }),
    });
    return new BlockBlobClient(blob.url, pipeline);
  }

  /** For the synchronous copies, which take a bearer token. */
  async copySource(blob: BlobClient): Promise<CopySource> {
    if (this.#credential instanceof StorageSharedKeyCredential) {
      return { url: `${blob.url}?${await this.#containerSignature(blob.containerName)}` };
    }
    const token = await this.#credential.getToken(STORAGE_SCOPE);
    if (token === null) throw new Error(`no token for storage account '${this.name}'`);
    return { url: blob.url, authorization: { scheme: "Bearer", value: token.token } };
  }

  /** For the asynchronous copy, which takes only a signature: read-only, for this blob or snapshot, for two hours. */
  async signedUrl(blob: BlobClient, snapshot?: string): Promise<string> {
    const signature = await this.#sign({
      containerName: blob.containerName,
      blobName: blob.name,
      permissions: BlobSASPermissions.parse("r"),
      ...(snapshot === undefined ? {} : { snapshotTime: snapshot }),
    });
    return `${blob.url}?${snapshot === undefined ? "" : `snapshot=${encodeURIComponent(snapshot)}&`}${signature}`;
  }

  /** One signature serves all copies from a container. */
  #containerSignature(containerName: string): Promise<string> {
    const now = this.#clock().getTime();
    const kept = this.#signatures.get(containerName);
    if (kept !== undefined && kept.until > now) return kept.value;
    const value = this.#sign({ containerName, permissions: ContainerSASPermissions.parse("r") });
    this.#signatures.set(containerName, { value, until: now + SIGNATURE_LIFE_MS - SIGNATURE_REST_MS });
    return value;
  }

  async #sign(what: Omit<BlobSASSignatureValues, "startsOn" | "expiresOn">): Promise<string> {
    const now = this.#clock().getTime();
    const values = {
      ...what,
      startsOn: new Date(now - SIGNATURE_SKEW_MS),
      expiresOn: new Date(now + SIGNATURE_LIFE_MS),
    };
    const signed =
      this.#credential instanceof StorageSharedKeyCredential
        ? generateBlobSASQueryParameters(values, this.#credential)
        : generateBlobSASQueryParameters(values, await this.#delegationKey(now), this.name);
    return signed.toString();
  }

  /** One key signs for all containers; it lives as long as the last signature that it may make. */
  #delegationKey(now: number): Promise<UserDelegationKey> {
    if (this.#delegation !== undefined && this.#delegation.until > now) return this.#delegation.value;
    const value = this.service.getUserDelegationKey(
      new Date(now - SIGNATURE_SKEW_MS),
      new Date(now + 2 * SIGNATURE_LIFE_MS),
    );
    this.#delegation = { value, until: now + SIGNATURE_LIFE_MS };
    value.catch(() => {
      this.#delegation = undefined;
    });
    return value;
  }
}
