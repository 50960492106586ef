/**
 * @module
 * Documents of a vault and its policies in the vault account: one blob container per vault, and in it
 *
 * ```
 * vault.json
 * policies/<name in lower case>.json
 * ```
 *
 * They are enough to rebuild the rows of the app's tables.
 */
import { z } from "zod";
import { decodeDocument } from "./version.ts";

/**
 * The blob container with the documents of one vault.
 *
 * @param vaultKey - 32 hexadecimal digits
 */
export function vaultFilesContainer(vaultKey: string): string {
  return `vault-${vaultKey}`;
}

/** @returns the key of the vault of a blob container, or undefined when it is not such a container */
export function vaultOfContainer(name: string): string | undefined {
  return /^vault-([0-9a-f]{32})$/.exec(name)?.[1];
}

export const VAULT_DOCUMENT = "vault.json";

export const POLICIES_PREFIX = "policies/";

export function policyDocumentPath(policyName: string): string {
  return `${POLICIES_PREFIX}${policyName.toLowerCase()}.json`;
}

/** JSON as sent by the caller. */
const WireObject = z.record(z.string(), z.unknown());

/** `vault.json` */
export const VaultDocument = z.object({
  formatVersion: z.literal(1),
  /** ARM id of the vault. */
  resourceId: z.string(),
  name: z.string(),
  location: z.string(),
  tags: z.record(z.string(), z.string()).optional(),
  identity: WireObject.optional(),
  /** `properties` of the ARM resource as in the PUT. */
  properties: WireObject,
  createdAt: z.string(),
});
export type VaultDocument = Readonly<z.infer<typeof VaultDocument>>;

/** `policies/<name>.json`. Schedule, tagging and retention rules are read from `properties`. */
export const PolicyDocument = z.object({
  formatVersion: z.literal(1),
  /** ARM id of the policy. */
  resourceId: z.string(),
  name: z.string(),
  /** `properties` of the ARM resource as in the PUT. */
  properties: WireObject,
  createdAt: z.string(),
  /** When its schedule was last changed, ISO 8601 UTC: there are no slots up to then. */
  slotsAfter: z.string().optional(),
});
export type PolicyDocument = Readonly<z.infer<typeof PolicyDocument>>;

/** @throws VaultError `format/corrupt`, `format/newer-version` */
export function decodeVaultDocument(path: string, content: Uint8Array): VaultDocument {
  return decodeDocument(path, VaultDocument, content);
}

/** @throws VaultError `format/corrupt`, `format/newer-version` */
export function decodePolicyDocument(path: string, content: Uint8Array): PolicyDocument {
  return decodeDocument(path, PolicyDocument, content);
}
