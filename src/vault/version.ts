import { z } from "zod";
import { VaultError } from "../foundation/errors.ts";

/** The major version of the vault format that this code writes, and the highest that it reads. */
export const FORMAT_VERSION = 1;

/**
 * Additions to version 1, as listed in `docs/format.md`. A reader of an older minor version ignores what it does not
 * know.
 */
export const FORMAT_MINOR = 1;

const Versioned = z.looseObject({ formatVersion: z.int().positive() });

/**
 * Reads a JSON document of the vault.
 *
 * @throws VaultError `format/newer-version` when a newer Lakevault wrote it, `format/corrupt` when it is invalid
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
  throw new VaultError("format/corrupt", `'${path}' does not match the format: ${z.prettifyError(parsed.error)}`);
}

/** Encodes a JSON document of the vault, indented for human readers. */
export function encodeDocument(document: object): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(document, undefined, 1)}\n`);
}
