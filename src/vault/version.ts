import { z } from "zod";
import { VaultError } from "../foundation/errors.ts";

/** The major version of the vault format that this code writes, and the newest that it reads. */
export const FORMAT_VERSION = 1;

/**
 * What was added to version 1 since it was first written, as `docs/format.md` lists it. A reader of an older minor version
 * passes over what it does not know.
 */
export const FORMAT_MINOR = 1;

const Versioned = z.looseObject({ formatVersion: z.int().positive() });

/**
 * Reads a JSON document of the vault.
 *
 * @throws VaultError `format/newer-version` when a newer Lakevault wrote it, `format/corrupt` when it is not such a document
 */
export function decodeDocument<T>(path: string, schema: z.ZodType<T>, content: Uint8Array): T {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(content));
  } catch (error) {
    throw new VaultError("format/corrupt", `'${path}' is not JSON`, { cause: error });
  }
  const versioned = Versioned.safeParse(json);
  if (versioned.success && versioned.data.formatVersion > FORMAT_VERSION) {
    throw new VaultError(
      "format/newer-version",
      `'${path}' has format version ${versioned.data.formatVersion}; this app reads up to ${FORMAT_VERSION}`,
      { hint: "update Lakevault" },
    );
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new VaultError("format/corrupt", `'${path}' is not as the format says: ${z.prettifyError(parsed.error)}`);
}

/** Writes a JSON document of the vault: indented, for the eye of who looks into the account. */
export function encodeDocument(document: object): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(document, undefined, 1)}\n`);
}
