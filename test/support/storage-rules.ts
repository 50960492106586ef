/**
 * @module
 * Which requests to a storage service delete or overwrite, and whether they have a condition for it.
 */
import type { RecordedRequest } from "./recording-proxy.ts";

/** A request, possibly within a batch. */
interface Call {
  readonly method: string;
  readonly url: URL;
  readonly header: (name: string) => string | undefined;
}

/** The requests within a batch are in its body. */
function callsIn({ method, url, headers, body }: RecordedRequest): Call[] {
  const header = (name: string): string | undefined => headers[name]?.toString();
  if (url.searchParams.get("comp") !== "batch") return [{ method, url, header }];
  return body.split(/^--batch_.*$/m).flatMap((part) => {
    const [line = "", ...lines] = part.slice(part.search(/^(DELETE|PUT|POST|GET) /m)).split(/\r?\n/);
    const [, verb, path] = /^(\w+) (\S+) HTTP/.exec(line) ?? [];
    if (verb === undefined || path === undefined) return [];
    const found = new Map(
      lines.map((one) => [one.split(":")[0]?.toLowerCase() ?? "", one.slice(one.indexOf(":") + 1)]),
    );
    return [{ method: verb, url: new URL(path, url), header: (name: string) => found.get(name)?.trim() }];
  });
}

function isConditional({ header }: Call): boolean {
  const ifMatch = header("if-match");
  if (ifMatch !== undefined && ifMatch !== "*") return true;
  return header("if-none-match") === "*" || header("if-unmodified-since") !== undefined;
}

/** Blob operations that add something and overwrite nothing. */
const ADDING = new Set(["block", "snapshot", "lease"]);

function isBlobCallUnconditional(call: Call): boolean {
  const { method, url, header } = call;
  const [comp, isContainer] = [url.searchParams.get("comp"), url.searchParams.get("restype") === "container"];
  if (method === "DELETE") {
    // A snapshot never changes, so its time identifies it. A container has no condition except its lease.
    if (url.searchParams.has("snapshot")) return false;
    return isContainer ? header("x-ms-lease-id") === undefined : !isConditional(call);
  }
  // Creating an existing container is refused.
  if (method !== "PUT" || (isContainer && comp === null) || ADDING.has(comp ?? "")) return false;
  return isContainer ? header("x-ms-lease-id") === undefined : !isConditional(call);
}

function isTableCallUnconditional({ method, header }: Call): boolean {
  if (!["PUT", "PATCH", "MERGE", "DELETE"].includes(method)) return false;
  const ifMatch = header("if-match");
  return ifMatch === undefined || ifMatch === "*";
}

/** Subject of a call, without names that differ between runs. */
function nameOf({ method, url }: Call): string {
  const comp = url.searchParams.get("comp");
  const restype = url.searchParams.get("restype");
  const [, , first = "", ...rest] = url.pathname.split("/");
  const table = /^(\w+)\(/.exec(decodeURIComponent(first))?.[1];
  if (table !== undefined) return `${method} row of ${table}`;
  const query = [comp === null ? "" : ` comp=${comp}`, restype === null ? "" : ` restype=${restype}`].join("");
  return `${method}${query} ${first.replace(/[0-9a-f-]{8,}/g, "*")}/${rest.join("/").replace(/[0-9a-f-]{8,}/gi, "*")}`;
}

export interface WalkedCalls {
  /** Calls that delete or may overwrite. */
  readonly guarded: number;
  /** Those of them without a condition, by subject. */
  readonly unconditional: ReadonlyMap<string, number>;
}

export function walkCalls(requests: readonly RecordedRequest[], service: "blob" | "table"): WalkedCalls {
  const isUnconditional = service === "blob" ? isBlobCallUnconditional : isTableCallUnconditional;
  const unconditional = new Map<string, number>();
  let guarded = 0;
  for (const call of requests.flatMap(callsIn)) {
    if (isUnconditional(call)) unconditional.set(nameOf(call), (unconditional.get(nameOf(call)) ?? 0) + 1);
    else if (["PUT", "DELETE", "PATCH", "MERGE"].includes(call.method)) guarded += 1;
  }
  return { guarded, unconditional };
}
