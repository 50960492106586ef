import { VaultError } from "../foundation/errors.ts";
import { deriveId } from "../foundation/ids.ts";
import { present } from "../foundation/present.ts";
import type { RecordTable, Stored } from "../foundation/records.ts";
import { type ApiCall, type ApiResponse, ok } from "./api-call.ts";

/** Max items of one page of a list. */
export const PAGE_SIZE = 100;

/**
 * Returns one page of a list.
 *
 * @param next - where the next page starts; absent at the end
 */
export function listPage(call: ApiCall, value: readonly unknown[], next: string | undefined): ApiResponse {
  if (next === undefined) return ok({ value });
  const query = new URLSearchParams(call.query);
  for (const name of [...query.keys()]) if (name.toLowerCase() === "$skiptoken") query.delete(name);
  query.set("$skipToken", Buffer.from(`${seal(call, next)}${next}`).toString("base64url"));
  return ok({ value, nextLink: `${call.baseUrl}${call.path}?${query}` });
}

/**
 * @returns the token of a page's `nextLink`; undefined on the first page
 * @throws VaultError `request/invalid` when the token is not from this list
 */
export function skipToken(call: ApiCall): string | undefined {
  const token = queryOption(call.query, "$skipToken");
  if (token === undefined || token === "") return undefined;
  const sealed = Buffer.from(token, "base64url").toString();
  const next = sealed.slice(SEAL_LENGTH);
  if (next === "" || sealed !== `${seal(call, next)}${next}`) {
    throw new VaultError("request/invalid", "the $skipToken is not from this list");
  }
  return next;
}

const SEAL_LENGTH = 8;

/** Prefix that identifies a token of this list, before a table tries to parse it. No secret. */
function seal({ path }: ApiCall, next: string): string {
  return deriveId("skip-token", path.toLowerCase(), next).slice(0, SEAL_LENGTH);
}

/** OData options are case-insensitive. */
export function queryOption(query: URLSearchParams, name: string): string | undefined {
  for (const [key, value] of query) if (key.toLowerCase() === name.toLowerCase()) return value;
  return undefined;
}

/**
 * Returns one page of a list that is one partition of a table.
 *
 * @param resource - undefined for a row that the list omits; so a page may have few items, or none
 */
export async function listTablePage<T>(
  call: ApiCall,
  table: RecordTable<T>,
  partition: string,
  resource: (stored: Stored<T>) => unknown,
  prefix?: string,
): Promise<ApiResponse> {
  const continuation = skipToken(call);
  const page = await table.list(partition, {
    limit: PAGE_SIZE,
    ...present({ prefix, continuation }),
  });
  return listPage(
    call,
    page.records.map(resource).filter((item) => item !== undefined),
    page.continuation,
  );
}
