/**
 * @module Which storage operations a run called, read from the access log of Azurite, so that counting costs every run
 *   the same.
 */
import type { Table } from "./table.ts";

/** One request that the storage service answered. */
export interface StorageCall {
  readonly account: string;
  /** The operation's name in Azure's REST reference, as far as the log shows it. */
  readonly operation: string;
  /** Subject of a blob operation; `state`: everything outside the accounts with blobs. */
  readonly about: "content" | "listing" | "manifest" | "marker" | "state";
}

const LINE = /^\S+ - \S+ \[[^\]]*\] "([A-Z]+) (\S+) HTTP\/[\d.]+" (\d{3}) /;

/**
 * Reads one line of the access log.
 *
 * @param stateAccount - the account with the app's state in tables, queues and blobs
 * @returns undefined for lines that are no client's call: other lines, and requests with a SAS, with which Azurite
 *   itself reads the source of a copy
 */
export function readCall(line: string, stateAccount: string): StorageCall | undefined {
  const [, method, target, status] = LINE.exec(line) ?? [];
  if (method === undefined || target === undefined || status === undefined) return undefined;
  // A base only for the parser: the log has paths.
  const { pathname, searchParams: query } = new URL(target, "http://azurite");
  if (query.has("sig")) return undefined;
  const [account = "", first = "", ...rest] = pathname.slice(1).split("/").map(decodeURIComponent);
  if (account === stateAccount)
    return { account, operation: stateOperation(method, first, rest, query), about: "state" };
  const name = rest.join("/");
  const operation = name === "" ? containerOperation(method, first, query) : blobOperation(method, query, status);
  return { account, operation, about: subject(name === "" ? (query.get("prefix") ?? "") : name, operation) };
}

function containerOperation(method: string, container: string, query: URLSearchParams): string {
  const comp = query.get("comp");
  if (comp === "list") return container === "" ? "List Containers" : "List Blobs";
  if (comp !== null) return `${method} container ${comp}`;
  return { PUT: "Create Container", DELETE: "Delete Container" }[method] ?? "Get Container Properties";
}

const PUTS: Readonly<Record<string, string>> = {
  // Lakevault uploads no blocks, and neither does the limit: each block comes from a URL.
  block: "Put Block From URL",
  blocklist: "Put Block List",
  tier: "Set Blob Tier",
  tags: "Set Blob Tags",
  metadata: "Set Blob Metadata",
  properties: "Set Blob Properties",
  snapshot: "Snapshot Blob",
};

const GETS: Readonly<Record<string, string>> = { tags: "Get Blob Tags", blocklist: "Get Block List" };

function blobOperation(method: string, query: URLSearchParams, status: string): string {
  const comp = query.get("comp");
  switch (method) {
    case "PUT":
      if (comp !== null) return PUTS[comp] ?? `Put Blob ${comp}`;
      // The header that makes a copy is not in the log. A copy is accepted (202), an upload creates (201).
      if (status === "202") return "Copy Blob From URL";
      return status === "201" ? "Put Blob" : `Put or Copy Blob, answered ${status}`;
    case "GET":
      return comp === null ? "Get Blob" : (GETS[comp] ?? `Get Blob ${comp}`);
    case "HEAD":
      return "Get Blob Properties";
    case "DELETE":
      return "Delete Blob";
    default:
      return `${method} blob ${comp ?? ""}`.trim();
  }
}

function subject(name: string, operation: string): StorageCall["about"] {
  if (name.startsWith("manifests/") || name.startsWith("recovery-points/")) return "manifest";
  if (name.startsWith("markers/") || name.startsWith(".lakevault/")) return "marker";
  return operation === "List Blobs" ? "listing" : "content";
}

function stateOperation(method: string, first: string, rest: readonly string[], query: URLSearchParams): string {
  if (rest[0] === "messages") {
    const operation = { GET: "Get Messages", POST: "Put Message", PUT: "Update Message", DELETE: "Delete Message" }[
      method
    ];
    return `queue: ${operation ?? method}`;
  }
  if (first === "$batch") return "table: Batch";
  const [table = "", key] = first.split("(", 2);
  if (!/^[A-Za-z][A-Za-z0-9]*$/.test(table) || rest.length > 0 || query.has("restype")) return `blob: ${method}`;
  if (method === "GET") return `table: ${key === undefined || key === ")" ? "Query Entities" : "Get Entity"}`;
  const operation = { POST: "Insert Entity", PUT: "Update Entity", PATCH: "Merge Entity", DELETE: "Delete Entity" }[
    method
  ];
  return `table: ${operation ?? method}`;
}

/** Maximum names of one listing call. */
const MAX_PAGE_SIZE = 5_000;

/**
 * Blob calls per changed blob, without those that do not grow with changes: one listing call per 5,000 existing blobs,
 * manifests and markers.
 */
export function callsPerChangedBlob(calls: readonly StorageCall[], blobs: number, changed: number): number {
  const counted = calls.filter(({ about }) => about === "content" || about === "listing").length;
  return (counted - Math.ceil(blobs / MAX_PAGE_SIZE)) / changed;
}

/** Counts calls by account and operation, one column per run. */
export function tabulateCalls(runs: ReadonlyMap<string, readonly StorageCall[]>): Table {
  const key = ({ account, operation, about }: StorageCall): string =>
    `${account} | ${operation}${about === "manifest" || about === "marker" ? `, ${about}` : ""}`;
  const keys = new Set([...runs.values()].flatMap((calls) => calls.map(key)));
  const counts = [...runs.values()].map((calls) => {
    const byKey = new Map<string, number>();
    for (const call of calls) byKey.set(key(call), (byKey.get(key(call)) ?? 0) + 1);
    return byKey;
  });
  return {
    head: ["storage calls", ...runs.keys()],
    rows: [...keys].sort().map((one) => [one, ...counts.map((byKey) => (byKey.get(one) ?? 0).toLocaleString("en"))]),
  };
}
