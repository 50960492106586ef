/**
 * @module
 * In-memory HTTP interface of a storage service: takes the SDK's requests and returns responses, so that the real
 * adapters run on {@link StoredBlobs}. Each request is carried out atomically.
 */
import { Readable } from "node:stream";
import type { HttpOperationResponse, IHttpClient, WebResource } from "@azure/storage-blob";
import { type Conditions, check, md5Of, Refusal, type StoredBlob, type StoredBlobs } from "./stored-blobs.ts";

export interface WireAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** A request, parsed by the service. */
export interface WireRequest {
  readonly method: string;
  readonly url: URL;
  readonly account: string;
  readonly container: string;
  readonly blob: string;
  readonly header: (name: string) => string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Routes each request to a handler; the SDK sees what that throws as a broken connection. */
export function transport(send: (request: WireRequest) => Promise<WireAnswer>): IHttpClient {
  return {
    sendRequest: async (request) => responseOf(request, await send(wireRequest(request))),
  };
}

function wireRequest(request: WebResource): WireRequest {
  const url = new URL(request.url);
  const [, account = "", container = "", ...rest] = url.pathname.split("/");
  const metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers.toJson({ preserveCase: true }))) {
    if (name.toLowerCase().startsWith("x-ms-meta-")) metadata[name.slice("x-ms-meta-".length)] = String(value);
  }
  const { body } = request;
  return {
    method: request.method,
    url,
    account,
    container,
    blob: decodeURIComponent(rest.join("/")),
    header: (name) => request.headers.get(name),
    metadata,
    body: Buffer.from((body as Uint8Array | string | undefined) ?? ""),
  };
}

function responseOf(request: WebResource, { status, headers, body = "" }: WireAnswer): HttpOperationResponse {
  const isStream = status < 300 && Buffer.isBuffer(body);
  const all: Record<string, string> = { "x-ms-request-id": "1", date: new Date().toUTCString(), ...headers };
  const response = {
    request,
    status,
    headers: { toJson: () => all, get: (name: string) => all[name.toLowerCase()] },
    ...(isStream ? { readableStreamBody: Readable.from([body]) } : { bodyAsText: String(body) }),
  };
  return response as unknown as HttpOperationResponse;
}

/** Carries out a request. */
export function serve(blobs: StoredBlobs, request: WireRequest): WireAnswer {
  try {
    return dispatch(blobs, request);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return refusal(error.status, error.code);
  }
}

/** An error response of the service. */
export function refusal(status: number, code: string): WireAnswer {
  const body = `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`;
  return { status, headers: { "x-ms-error-code": code, "content-type": "application/xml" }, body };
}

function dispatch(blobs: StoredBlobs, request: WireRequest): WireAnswer {
  const { method, url, container, blob } = request;
  const comp = url.searchParams.get("comp");
  const action = `${method}${comp === null ? "" : ` ${comp}`}`;
  if (container === "") return listContainers(blobs, request);
  if (blob === "") {
    if (comp === "list") return listBlobs(blobs, request);
    if (method === "PUT" && comp === "lease") {
      blobs.container(request.account, container);
      const isTaken = request.header("x-ms-lease-action") === "acquire";
      return {
        status: isTaken ? 201 : 200,
        headers: { "x-ms-lease-id": request.header("x-ms-proposed-lease-id") ?? "1" },
      };
    }
    if (method === "PUT" && comp === "metadata") {
      blobs.setContainerMetadata(request.account, container, request.metadata);
      return { status: 200, headers: {} };
    }
    if (method === "PUT") blobs.createContainer(request.account, container, request.metadata);
    const { metadata } = blobs.container(request.account, container);
    return { status: method === "PUT" ? 201 : 200, headers: { etag: '"0x1"', ...metadataHeaders(metadata) } };
  }
  switch (action) {
    case "PUT":
      return request.header("x-ms-copy-source") === undefined ? upload(blobs, request) : copy(blobs, request);
    case "PUT block":
      return stageBlock(blobs, request);
    case "PUT blocklist":
      return commitBlocks(blobs, request);
    case "GET blocklist":
      return listBlocks(blobs, request);
    case "PUT snapshot":
      return snapshot(blobs, request);
    case "PUT metadata":
      return written(200, blobs.setMetadata(request.account, container, blob, request.metadata, conditionsOf(request)));
    case "DELETE": {
      const id = url.searchParams.get("snapshot") ?? undefined;
      blobs.remove(request.account, container, blob, id, conditionsOf(request));
      return { status: 202, headers: {} };
    }
    case "HEAD":
    case "GET":
      return read(blobs, request);
    default:
      throw new Error(`the in-memory service does not support '${action}'`);
  }
}

function conditionsOf({ header }: WireRequest): Conditions {
  return {
    ifMatch: header("if-match"),
    ifNoneMatch: header("if-none-match"),
    ifUnmodifiedSince: header("if-unmodified-since"),
  };
}

function written(status: number, blob: StoredBlob, more: Readonly<Record<string, string>> = {}): WireAnswer {
  return { status, headers: { etag: `"${blob.etag}"`, "last-modified": blob.modified.toUTCString(), ...more } };
}

function upload(blobs: StoredBlobs, request: WireRequest): WireAnswer {
  const { account, container, blob, body, metadata, header } = request;
  const contentType = header("x-ms-blob-content-type") ?? "application/octet-stream";
  const content = { content: body, contentType, metadata, md5: md5Of(body) };
  return written(201, blobs.put(account, container, blob, content, conditionsOf(request)));
}

function sourceOf(blobs: StoredBlobs, { header }: WireRequest): StoredBlob {
  const source = blobs.source(new URL(header("x-ms-copy-source") ?? ""));
  const wanted = header("x-ms-source-if-match")?.replaceAll('"', "");
  if (wanted !== undefined && source.etag !== wanted) throw new Refusal(412, "SourceConditionNotMet");
  return source;
}

function copy(blobs: StoredBlobs, request: WireRequest): WireAnswer {
  const { account, container, blob, metadata, header } = request;
  const source = sourceOf(blobs, request);
  if (header("x-ms-requires-sync") !== "true") {
    const from = new URL(header("x-ms-copy-source") ?? "");
    const begun = blobs.beginCopy(account, container, blob, from, metadata, conditionsOf(request));
    return written(202, begun, { "x-ms-copy-id": begun.copy?.id ?? "", "x-ms-copy-status": "pending" });
  }
  const { content, contentType } = source;
  const whole = { content, contentType, metadata: source.metadata, md5: md5Of(content) };
  const copied = blobs.put(account, container, blob, whole, conditionsOf(request));
  const told = { "x-ms-copy-id": "sync", "x-ms-copy-status": "success", "content-md5": md5Of(content) };
  return written(202, copied, told);
}

function stageBlock(blobs: StoredBlobs, request: WireRequest): WireAnswer {
  const { account, container, blob, url, header } = request;
  const { content } = sourceOf(blobs, request);
  const [, first = "0", last = "0"] = /bytes=(\d+)-(\d+)/.exec(header("x-ms-source-range") ?? "") ?? [];
  const { staged } = blobs.container(account, container);
  const blocks = staged.get(blob) ?? new Map<string, Buffer>();
  blocks.set(url.searchParams.get("blockid") ?? "", content.subarray(Number(first), Number(last) + 1));
  staged.set(blob, blocks);
  return { status: 201, headers: {} };
}

function commitBlocks(blobs: StoredBlobs, request: WireRequest): WireAnswer {
  const { account, container, blob, body, metadata, header } = request;
  check(blobs.container(account, container).blobs.get(blob), conditionsOf(request), "write");
  const blocks = blobs.container(account, container).staged.get(blob);
  const ids = [...body.toString().matchAll(/<Latest>([^<]*)<\/Latest>/g)].map(([, id]) => id ?? "");
  const parts = ids.map((id) => blocks?.get(id));
  if (parts.includes(undefined)) throw new Refusal(400, "InvalidBlockList");
  const content = Buffer.concat(parts.map((part) => part ?? Buffer.alloc(0)));
  const contentType = header("x-ms-blob-content-type") ?? "application/octet-stream";
  return written(201, blobs.put(account, container, blob, { content, contentType, metadata }, conditionsOf(request)));
}

function listBlocks(blobs: StoredBlobs, { account, container, blob }: WireRequest): WireAnswer {
  const { staged } = blobs.container(account, container);
  const committed = blobs.container(account, container).blobs.get(blob);
  if (committed === undefined && !staged.has(blob)) throw new Refusal(404, "BlobNotFound");
  const one = (name: string, size: number): string => `<Block><Name>${name}</Name><Size>${size}</Size></Block>`;
  const waiting = [...(staged.get(blob) ?? [])].map(([name, bytes]) => one(name, bytes.length)).join("");
  const there = committed === undefined ? "" : one("YQ==", committed.content.length);
  return xml(
    `<BlockList><CommittedBlocks>${there}</CommittedBlocks><UncommittedBlocks>${waiting}</UncommittedBlocks></BlockList>`,
  );
}

function snapshot(blobs: StoredBlobs, request: WireRequest): WireAnswer {
  const { account, container, blob, metadata } = request;
  const taken = blobs.snapshot(account, container, blob, metadata, conditionsOf(request));
  return written(201, taken.blob, { "x-ms-snapshot": taken.id });
}

function read(blobs: StoredBlobs, request: WireRequest): WireAnswer {
  const { account, container, blob: name, url, method } = request;
  const blob = blobs.find(account, container, name, url.searchParams.get("snapshot") ?? undefined);
  check(blob, conditionsOf(request), "read");
  const { copy: copied } = blob;
  const headers = {
    etag: `"${blob.etag}"`,
    "last-modified": blob.modified.toUTCString(),
    "x-ms-creation-time": blob.created.toUTCString(),
    "content-length": String(blob.content.length),
    "content-type": blob.contentType,
    "x-ms-blob-type": blob.type,
    ...(blob.md5 === undefined ? {} : { "content-md5": blob.md5 }),
    ...metadataHeaders(blob.metadata),
    ...(copied === undefined
      ? {}
      : { "x-ms-copy-id": copied.id, "x-ms-copy-status": copied.status, "x-ms-copy-source": copied.source }),
  };
  return { status: 200, headers, ...(method === "GET" ? { body: blob.content } : {}) };
}

function metadataHeaders(metadata: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata).map(([name, value]) => [`x-ms-meta-${name}`, value]));
}

function xml(text: string): WireAnswer {
  const body = `<?xml version="1.0" encoding="utf-8"?>${text}`;
  return { status: 200, headers: { "content-type": "application/xml" }, body };
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

function listContainers(blobs: StoredBlobs, { account, url }: WireRequest): WireAnswer {
  const prefix = url.searchParams.get("prefix") ?? "";
  const names = blobs.containersOf(account).filter((name) => name.startsWith(prefix));
  const modified = blobs.now.toUTCString();
  const all = names
    .sort()
    .map(
      (name) =>
        `<Container><Name>${name}</Name><Properties><Last-Modified>${modified}</Last-Modified><Etag>0x1</Etag></Properties></Container>`,
    );
  return xml(`<EnumerationResults><Containers>${all.join("")}</Containers><NextMarker /></EnumerationResults>`);
}

function listBlobs(blobs: StoredBlobs, { account, container, url }: WireRequest): WireAnswer {
  const asked = url.searchParams;
  const include = (asked.get("include") ?? "").split(",");
  const [prefix, delimiter] = [asked.get("prefix") ?? "", asked.get("delimiter")];
  const from = asked.get("marker") || asked.get("startFrom") || "";
  const most = Number(asked.get("maxresults") ?? 5_000);
  const found: string[] = [];
  const folders = new Set<string>();
  let next = "";
  for (const [name, blob] of [...blobs.container(account, container).blobs].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (!name.startsWith(prefix) || name < from) continue;
    const folder = delimiter === null ? -1 : name.indexOf(delimiter, prefix.length);
    if (folder >= 0) {
      folders.add(name.slice(0, folder + 1));
      continue;
    }
    if (found.length >= most) {
      next = name;
      break;
    }
    const snapshots = include.includes("snapshots") ? [...blob.snapshots] : [];
    for (const [id, one] of snapshots) found.push(listed(name, one, include, id));
    found.push(listed(name, blob, include));
  }
  const prefixes = [...folders].map((name) => `<BlobPrefix><Name>${escaped(name)}</Name></BlobPrefix>`).join("");
  return xml(
    `<EnumerationResults><Blobs>${found.join("")}${prefixes}</Blobs><NextMarker>${escaped(next)}</NextMarker></EnumerationResults>`,
  );
}

function listed(name: string, blob: StoredBlob, include: readonly string[], snapshot?: string): string {
  const { copy: copied, md5 } = blob;
  const told: Record<string, string | undefined> = {
    "Creation-Time": blob.created.toUTCString(),
    "Last-Modified": blob.modified.toUTCString(),
    Etag: blob.etag,
    "Content-Length": String(blob.content.length),
    "Content-Type": blob.contentType,
    "Content-MD5": md5,
    BlobType: blob.type,
    ...(include.includes("copy") && copied !== undefined
      ? { CopyId: copied.id, CopyStatus: copied.status, CopySource: copied.source }
      : {}),
  };
  const element = (tag: string, value: string | undefined): string =>
    value === undefined ? "" : `<${tag}>${escaped(value)}</${tag}>`;
  const properties = Object.entries(told).map(([tag, value]) => element(tag, value));
  const metadata = Object.entries(blob.metadata).map(([tag, value]) => element(tag, value));
  const own = include.includes("metadata") ? `<Metadata>${metadata.join("")}</Metadata>` : "";
  return `<Blob>${element("Name", name)}${element("Snapshot", snapshot)}<Properties>${properties.join("")}</Properties>${own}</Blob>`;
}
