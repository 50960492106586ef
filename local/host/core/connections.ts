/**
 * @module
 * Storage connections: from the name that a binding holds to a connection string.
 */

import { createHash } from "node:crypto";
import type { Settings } from "./settings.ts";
import { HostStartError, USE_CORE_TOOLS } from "./start-error.ts";

/** The connection of every binding that names none, and of the host's own state. */
export const DEFAULT_CONNECTION = "AzureWebJobsStorage";

/** Keys of identity-based connections, `<name>__<key>`. */
const IDENTITY_KEYS = [
  "serviceUri",
  "accountName",
  "blobServiceUri",
  "queueServiceUri",
  "tableServiceUri",
  "credential",
  "clientId",
  "managedIdentityResourceId",
];

/** The connection string behind a name, or undefined when there is none. */
export function findConnection(settings: Settings, name: string): string | undefined {
  return candidates(name)
    .map((candidate) => settings.get(candidate))
    .find((value) => value !== undefined && value !== "");
}

/**
 * Finds the connection string behind a name: the app setting `AzureWebJobs<name>`, then `<name>`.
 *
 * @param wantedBy - who asks, for the message
 * @throws HostStartError when there is none, or when the connection is by identity
 */
export function resolveConnection(settings: Settings, name: string, wantedBy: string): string {
  const connectionString = findConnection(settings, name);
  if (connectionString !== undefined) return connectionString;
  for (const candidate of candidates(name)) {
    const identity = IDENTITY_KEYS.find((key) => settings.get(`${candidate}__${key}`) !== undefined);
    if (identity !== undefined) {
      throw new HostStartError(
        `${wantedBy} uses the identity-based connection '${candidate}__${identity}', which this host does not support: ` +
          `set '${candidate}' to a connection string, or ${USE_CORE_TOOLS}`,
      );
    }
  }
  throw new HostStartError(
    `${wantedBy} uses the connection '${name}', which is not set: add it to Values in local.settings.json or to the ` +
      `environment (for instance "UseDevelopmentStorage=true" for Azurite)`,
  );
}

function candidates(name: string): string[] {
  return [`AzureWebJobs${name}`, `ConnectionStrings:${name}`, name];
}

/** Description of a connection for messages: no key, no SAS. */
export function describeConnection(connectionString: string): string {
  const { account, endpoint } = identifyConnection(connectionString);
  return endpoint === "" ? `storage account '${account}'` : `storage account '${account}' at ${endpoint}`;
}

/** A short hash that is the same for all connection strings of one account. */
export function connectionId(connectionString: string): string {
  const { account, endpoint } = identifyConnection(connectionString);
  return createHash("sha256").update(`${account}\n${endpoint}`).digest("hex").slice(0, 16);
}

function identifyConnection(connectionString: string): { account: string; endpoint: string } {
  const parts = new Map(
    connectionString.split(";").map((part): [string, string] => {
      const at = part.indexOf("=");
      return [part.slice(0, at).trim().toLowerCase(), part.slice(at + 1).trim()];
    }),
  );
  if (parts.get("usedevelopmentstorage")?.toLowerCase() === "true") {
    return { account: "devstoreaccount1", endpoint: "127.0.0.1:10002" };
  }
  const endpoint = parts.get("tableendpoint") ?? parts.get("queueendpoint") ?? parts.get("blobendpoint") ?? "";
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  const account = parts.get("accountname") ?? (url?.pathname.split("/")[1] || url?.hostname.split(".")[0]) ?? "";
  return { account, endpoint: url?.host ?? "" };
}
