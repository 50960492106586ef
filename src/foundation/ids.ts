import { v5 as uuidV5 } from "uuid";

/** Namespace of every id that Lakevault derives; never change it, because ids in vaults depend on it. */
const NAMESPACE = "6f1d2a4e-6a2b-5c0a-9d53-0d0c5c1a4b7e";

/**
 * Derives an id from its parts, so that a repeated start gets the same id.
 *
 * @param parts - joined by line feeds, which none of them may contain
 * @returns a UUID v5 in its usual form of 36 characters
 */
export function deriveUuid(...parts: readonly string[]): string {
  return uuidV5(parts.join("\n"), NAMESPACE);
}

/** The same as {@link deriveUuid} in 32 hexadecimal digits, the form of Azure's recovery point ids. */
export function deriveId(...parts: readonly string[]): string {
  return deriveUuid(...parts).replaceAll("-", "");
}
