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
  type IHttpClient,
  newPipeline,
  type PipelineLike,
  type RequestPolicy,
  type RequestPolicyFactory,
  type StoragePipelineOptions,
  StorageSharedKeyCredential,
  type UserDelegationKey,
  type WebResource,
} from "@azure/storage-blob";
import { AdaptivePool } from "../foundation/adaptive-pool.ts";
import type { Clock } from "../foundation/clock.ts";
import { MINUTE_MS } from "../foundation/durations.ts";
import { present } from "../foundation/present.ts";
import { outsideTime } from "./function-time.ts";
import { DEFAULT_RETRIES, type RetriedRequest, type RetrySettings, sendWithRetries } from "./request-retries.ts";

/** Authentication of an account: by its key (Azurite, tests), or by the app's identity (Azure). */
export type AccountAccess =
  | { readonly kind: "key"; readonly connectionString: string }
  | { readonly kind: "identity"; readonly blobServiceUri: string; readonly credential: TokenCredential };

/** Source URL of a server-side copy, with its authorization. Valid only as long as the request. */
export interface CopySource {
  readonly url: string;
  readonly authorization?: HttpAuthorization;
}

/**
 * Retries of a request.
 *
 * - `retrying`: retries transient errors, see `request-retries.ts`.
 * - `once`: for requests under an {@link AdaptivePool}, which must see throttling: a hundred requests that each back
 *   off on their own do not help a throttled account.
 */
export type RetryMode = "retrying" | "once";

/** Disables the SDK's own retries: see `request-retries.ts`. */
const NO_RETRIES: StoragePipelineOptions = { retryOptions: { maxTries: 1 } };

export interface BlobAccountOptions {
  /** Timeout of an answer, ms; a request that moves content has half a second more per MiB. */
  readonly answerMs?: number;
  /** Time for retries of a request, ms. */
  readonly retryForMs?: number;
  /** Time for retries of one block, ms. */
  readonly blockRetryForMs?: number;
  /** Sends requests instead of HTTP; for tests. */
  readonly transport?: IHttpClient;
}

/** The largest blob that one request copies, 256 MiB, thus has 158 s: see `function-time.ts`. */
const SLOWEST_BYTES_PER_MS = 2 ** 21 / 1_000;

/** Max concurrent block copies into one account, by all copies of large blobs in this process. */
const MAX_CONCURRENT_BLOCKS = 32;
const BLOCK_RETRY_FOR_MS = 60_000;

const STORAGE_SCOPE = "https://storage.azure.com/.default";

/** Clocks of two machines differ; both accept a SAS that starts a little before now. */
const SIGNATURE_SKEW_MS = 5 * MINUTE_MS;
const SIGNATURE_LIFE_MS = 120 * MINUTE_MS;
/** Asynchronous copies are best effort; a slow one copies one MiB per second. */
const BACKGROUND_BYTES_PER_MS = 2 ** 20 / 1_000;
/** Max lifetime of a SAS: its key lives a little longer, and at most seven days. */
const MAX_SIGNATURE_MS = 6 * 24 * 60 * MINUTE_MS;
/** @see https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key */
const DELEGATION_LIFE_MS = 7 * 24 * 60 * MINUTE_MS - 2 * SIGNATURE_SKEW_MS;
/** Min remaining lifetime of a cached SAS. */
const SIGNATURE_REST_MS = 60 * MINUTE_MS;

interface Kept<T> {
  readonly value: Promise<T>;
  readonly until: number;
}

/** One storage account: clients for its blobs, and authorization to copy from it. */
export class BlobAccount {
  readonly name: string;
  readonly service: BlobServiceClient;
  /** Limits concurrent block copies into this account. */
  readonly blocks: AdaptivePool;
  /** The same, without retries. */
  readonly serviceOnce: BlobServiceClient;
  readonly #credential: StorageSharedKeyCredential | TokenCredential;
  readonly #clock: Clock;
  readonly #retries: RetrySettings;
  readonly #pipelineOptions: StoragePipelineOptions;
  readonly #signatures = new Map<string, Kept<string>>();
  /** `until`: when it expires. */
  #delegation: Kept<UserDelegationKey> | undefined;

  /** @throws Error when the connection string is invalid; the message does not quote it */
  constructor(access: AccountAccess, clock: Clock, options: BlobAccountOptions = {}) {
    this.#clock = clock;
    const { answerMs = DEFAULT_RETRIES.answerMs, retryForMs = DEFAULT_RETRIES.retryForMs } = options;
    this.#retries = { ...DEFAULT_RETRIES, answerMs, retryForMs };
    const { transport } = options;
    this.#pipelineOptions = transport === undefined ? NO_RETRIES : { ...NO_RETRIES, httpClient: transport };
    const { url, credential } = endpointOf(access);
    this.#credential = credential;
    this.service = new BlobServiceClient(url, this.#pipeline("retrying"));
    this.serviceOnce = new BlobServiceClient(url, this.#pipeline("once"));
    this.name = this.service.accountName;
    this.blocks = new AdaptivePool(
      { widest: MAX_CONCURRENT_BLOCKS, retryForMs: options.blockRetryForMs ?? BLOCK_RETRY_FOR_MS },
      { clock, random: Math.random, sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)) },
    );
  }

  container(name: string, retries: RetryMode = "retrying"): ContainerClient {
    return (retries === "once" ? this.serviceOnce : this.service).getContainerClient(name);
  }

  /**
   * A client without retries, whose `stageBlockFromURL` copies only while the source has this ETag; the SDK has no
   * option for it. Creating its pipeline takes a fraction of a millisecond, which is little for a blob of many blocks.
   */
  pinnedTo(sourceEtag: string, blob: BlobClient): BlockBlobClient {
    const pipeline = this.#changing(({ headers }) => {
      if (headers.contains("x-ms-copy-source")) headers.set("x-ms-source-if-match", sourceEtag);
    });
    return new BlockBlobClient(blob.url, pipeline);
  }

  /**
   * A client without retries that writes all of these metadata: the SDK collects them in an object, which loses
   * `__proto__`.
   */
  writing<Client extends BlockBlobClient | ContainerClient>(
    metadata: Readonly<Record<string, string>>,
    client: Client,
  ): Client {
    const name = "__proto__";
    if (!Object.hasOwn(metadata, name)) return client;
    const pipeline = this.#changing(({ method, headers }) => {
      if (method === "PUT") headers.set(`x-ms-meta-${name}`, metadata[name] ?? "");
    });
    const Kind = client.constructor as new (url: string, pipeline: PipelineLike) => Client;
    return new Kind(client.url, pipeline);
  }

  #changing(change: (request: WebResource) => void): PipelineLike {
    const pipeline = this.#pipeline("once");
    pipeline.factories.push({
      create: (next) => ({
        sendRequest: (request) => {
          change(request);
          return next.sendRequest(request);
        },
      }),
    });
    return pipeline;
  }

  /** Timeout of a request that moves this many bytes within the service, after which it must have hung. */
  whileMoving(bytes: number): AbortSignal {
    return AbortSignal.timeout(Math.ceil(this.#retries.answerMs + bytes / SLOWEST_BYTES_PER_MS));
  }

  #pipeline(retries: RetryMode): PipelineLike {
    const pipeline = newPipeline(this.#credential, this.#pipelineOptions);
    pipeline.factories.push(new InjectorPolicyFactory(this.retrySettings(retries)));
    return pipeline;
  }

  /** Retries of a request. */
  retrySettings(retries: RetryMode): RetrySettings {
    return retries === "retrying" ? this.#retries : { ...this.#retries, retryForMs: 0 };
  }

  /** For synchronous copies, which accept a bearer token. */
  async copySource(blob: BlobClient): Promise<CopySource> {
    if (this.#credential instanceof StorageSharedKeyCredential) {
      return { url: `${blob.url}?${await this.#containerSignature(blob.containerName)}` };
    }
    const token = await this.#credential.getToken(STORAGE_SCOPE);
    if (token === null) throw new Error(`no token for storage account '${this.name}'`);
    return { url: blob.url, authorization: { scheme: "Bearer", value: token.token } };
  }

  get now(): Date {
    return this.#clock();
  }

  /**
   * For the asynchronous copy, which accepts only a SAS: read-only, for this blob or snapshot, for two hours plus the
   * duration of a slow copy of so many bytes, because the service reads the source with it until the end of the copy.
   */
  async signedUrl(blob: BlobClient, bytes: number, snapshot?: string): Promise<string> {
    const lifeMs = Math.min(SIGNATURE_LIFE_MS + Math.ceil(bytes / BACKGROUND_BYTES_PER_MS), MAX_SIGNATURE_MS);
    const what = {
      containerName: blob.containerName,
      blobName: blob.name,
      permissions: BlobSASPermissions.parse("r"),
      ...present({ snapshotTime: snapshot }),
    };
    const signature = await this.#sign(what, lifeMs);
    return `${blob.url}?${snapshot === undefined ? "" : `snapshot=${encodeURIComponent(snapshot)}&`}${signature}`;
  }

  /** One SAS is shared by all copies from a container. */
  #containerSignature(containerName: string): Promise<string> {
    const now = this.#clock().getTime();
    const kept = this.#signatures.get(containerName);
    if (kept !== undefined && kept.until > now) return kept.value;
    const value = this.#sign({ containerName, permissions: ContainerSASPermissions.parse("r") });
    this.#signatures.set(containerName, { value, until: now + SIGNATURE_LIFE_MS - SIGNATURE_REST_MS });
    return value;
  }

  async #sign(
    what: Omit<BlobSASSignatureValues, "startsOn" | "expiresOn">,
    lifeMs = SIGNATURE_LIFE_MS,
  ): Promise<string> {
    const now = this.#clock().getTime();
    const values = {
      ...what,
      startsOn: new Date(now - SIGNATURE_SKEW_MS),
      expiresOn: new Date(now + lifeMs),
    };
    const signed =
      this.#credential instanceof StorageSharedKeyCredential
        ? generateBlobSASQueryParameters(values, this.#credential)
        : generateBlobSASQueryParameters(values, await this.#delegationKey(now, lifeMs), this.name);
    return signed.toString();
  }

  /** One key signs for all containers, if the SAS ends before the key does. */
  #delegationKey(now: number, lifeMs: number): Promise<UserDelegationKey> {
    if (this.#delegation !== undefined && this.#delegation.until >= now + lifeMs) return this.#delegation.value;
    const until = now + DELEGATION_LIFE_MS;
    const value = outsideTime(() =>
      this.service.getUserDelegationKey(new Date(now - SIGNATURE_SKEW_MS), new Date(until)),
    );
    this.#delegation = { value, until };
    value.catch(() => {
      this.#delegation = undefined;
    });
    return value;
  }
}

/** @throws Error when the connection string is invalid */
function endpointOf(access: AccountAccess): {
  readonly url: string;
  readonly credential: StorageSharedKeyCredential | TokenCredential;
} {
  if (access.kind === "identity") return { url: access.blobServiceUri, credential: access.credential };
  const { url, credential } = BlobServiceClient.fromConnectionString(access.connectionString);
  if (credential instanceof StorageSharedKeyCredential) return { url, credential };
  throw new Error("a connection string needs AccountName and AccountKey");
}

/**
 * Adds the retries of `request-retries.ts`. The SDK runs factories of this class name after its own retry policy, and
 * signs what they send; others run around them.
 *
 * @see https://github.com/Azure/azure-sdk-for-js/blob/main/sdk/storage/storage-blob/src/Pipeline.ts `isInjectorPolicyFactory`
 */
class InjectorPolicyFactory implements RequestPolicyFactory {
  readonly #settings: RetrySettings;

  constructor(settings: RetrySettings) {
    this.#settings = settings;
  }

  create(next: RequestPolicy): RequestPolicy {
    return {
      sendRequest: (request) =>
        sendWithRetries(request as RetriedRequest, () => next.sendRequest(request), this.#settings),
    };
  }
}
