/**
 * @module
 * List Blobs with exact names. Every listing of blobs uses this module.
 *
 * The SDK's pipeline signs and sends the requests. The answers are parsed here, because the SDK's parser loses data
 * that a backup must keep: it does not decode numeric character references (a carriage return in a name becomes the
 * text `&#xD;`, which may also be a name), it renames metadata such as `toString`, and it fails for a whole page when
 * one blob has metadata named `_` or `constructor`. This parser also takes a tenth of the time.
 *
 * @see https://learn.microsoft.com/rest/api/storageservices/list-blobs
 */
import {
  createHttpHeaders,
  createPipelineRequest,
  type PipelineRequest,
  type PipelineResponse,
} from "@azure/core-rest-pipeline";
import { type BlobServiceClient, type ContainerClient, RestError } from "@azure/storage-blob";
import { present } from "../foundation/present.ts";
import type { BlobAccount, RetryMode } from "./blob-account.ts";
import { MAX_PAGE_SIZE } from "./listed-blobs.ts";
import { type ListedPage, parseListing } from "./parse-listing.ts";
import { ANSWER_CUT, sendWithRetries } from "./request-retries.ts";

export interface ListPagesOptions {
  /** Absent: all names. */
  readonly prefix?: string;
  /** The first name, included, in listing order; absent or empty: from the start. */
  readonly startFrom?: string;
  readonly include?: readonly ("metadata" | "tags" | "snapshots" | "copy")[];
  /** Max names per request; absent: {@link MAX_PAGE_SIZE}. */
  readonly pageSize?: number;
  /** Absent: `retrying`. */
  readonly retries?: RetryMode;
}

/**
 * Lists the blobs of a container, page by page, in the service's order. A page may be empty.
 *
 * @throws RestError for an error of the service; with code `ANSWER_CUT` when a page is still cut off after all retries,
 *   or is not a listing
 */
export async function* listBlobPages(
  account: BlobAccount,
  container: string,
  options: ListPagesOptions = {},
): AsyncGenerator<ListedPage["blobs"], void, undefined> {
  const { prefix, startFrom, include = [], pageSize = MAX_PAGE_SIZE, retries = "retrying" } = options;
  const query = { restype: "container", prefix, startFrom, include: include.join(","), maxresults: String(pageSize) };
  yield* pagesOf(account, account.container(container, "once"), query, retries);
}

/**
 * Lists the containers of an account with their metadata and access levels, except the service's own.
 *
 * @throws RestError like {@link listBlobPages}
 * @see https://learn.microsoft.com/rest/api/storageservices/list-containers2
 */
export function listContainerPages(account: BlobAccount): AsyncGenerator<ListedPage["blobs"], void, undefined> {
  const query = { include: "metadata", maxresults: String(MAX_PAGE_SIZE) };
  return pagesOf(account, account.serviceOnce, query, "retrying");
}

type Query = Readonly<Record<string, string | undefined>>;

async function* pagesOf(
  account: BlobAccount,
  client: BlobServiceClient | ContainerClient,
  query: Query,
  retries: RetryMode,
): AsyncGenerator<ListedPage["blobs"], void, undefined> {
  let marker = "";
  do {
    const page = await readPage(account, client, { ...query, comp: "list", marker }, retries);
    yield page.blobs;
    // A repeated marker would make an endless loop.
    if (page.nextMarker !== "" && page.nextMarker === marker) {
      throw new RestError(`the listing of storage account '${account.name}' repeats a page`, { code: ANSWER_CUT });
    }
    marker = page.nextMarker;
  } while (marker !== "");
}

async function readPage(
  account: BlobAccount,
  client: BlobServiceClient | ContainerClient,
  query: Query,
  retries: RetryMode,
): Promise<ListedPage> {
  // The SDK has no public way to send a custom request through a client's pipeline.
  const { storageClientContext: context } = client as unknown as {
    readonly storageClientContext: {
      readonly version: string;
      sendRequest(request: PipelineRequest): Promise<PipelineResponse>;
    };
  };
  const url = `${client.url}?${textOfQuery(query)}`;
  const request = createPipelineRequest({
    url,
    method: "GET",
    headers: createHttpHeaders({ Accept: "application/xml", "x-ms-version": context.version }),
    allowInsecureConnection: url.startsWith("http:"),
    // As a stream, so that the SDK does not parse it.
    streamResponseStatusCodes: new Set([200]),
  });
  let response: PipelineResponse | undefined;
  const answer = await sendWithRetries(
    request,
    async () => {
      response = await context.sendRequest(request);
      const { status, headers, bodyAsText, readableStreamBody } = response;
      const text = readableStreamBody === undefined ? bodyAsText : await textOf(readableStreamBody);
      return { status, headers, ...present({ bodyAsText: text }) };
    },
    account.retrySettings(retries),
  );
  if (answer.status === 200) return parsePage(answer.bodyAsText ?? "");
  throw new RestError(`a listing of storage account '${account.name}' was refused with status ${answer.status}`, {
    statusCode: answer.status,
    code: answer.headers.get("x-ms-error-code") ?? "",
    request,
    ...present({ response }),
  });
}

/** Spaces as `%20`: in the signature, a plus sign is a plus sign. */
function textOfQuery(query: Query): string {
  const given = Object.entries(query).filter(([, value]) => (value ?? "") !== "");
  return given.map(([name, value]) => `${name}=${encodeURIComponent(value ?? "")}`).join("&");
}

/** @throws RestError `ANSWER_CUT` when the connection breaks, or the answer is not UTF-8 */
async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  try {
    for await (const piece of stream) text += decoder.decode(Buffer.from(piece), { stream: true });
    return text + decoder.decode();
  } catch {
    throw new RestError("the connection broke before the end of the listing", { code: ANSWER_CUT });
  }
}

/** An unreadable page must not count as a short page: the missing names would count as deleted. */
function parsePage(text: string): ListedPage {
  try {
    return parseListing(text);
  } catch (cause) {
    throw new RestError("the service answered with an invalid listing", { code: ANSWER_CUT, ...{ cause } });
  }
}
