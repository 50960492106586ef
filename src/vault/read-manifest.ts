/**
 * @module
 * Reads a recovery point from its seal down, verifying each file against the SHA-256 in the file above it.
 */
import { VaultError } from "../foundation/errors.ts";
import type { Entry, EntryLine } from "./entry.ts";
import { decodeIndex, type ManifestIndex } from "./manifest-index.ts";
import { sealPath } from "./names.ts";
import { decodeSeal, type Seal } from "./seal.ts";
import { checkSha256, decodeSegment, openSegment, type SegmentRef } from "./segment.ts";
import type { VaultFiles } from "./vault-files.ts";

type Files = Pick<VaultFiles, "read">;

/** @throws VaultError `recovery-point/not-found`, `format/corrupt`, `format/newer-version` */
export async function readSeal(files: Files, recoveryPointId: string): Promise<Seal> {
  const path = sealPath(recoveryPointId);
  const content = await files.read(path);
  if (content === undefined) {
    throw new VaultError("recovery-point/not-found", `recovery point '${recoveryPointId}' was not found`);
  }
  return decodeSeal(path, content);
}

/**
 * Reads the index of one container.
 *
 * @returns undefined when the recovery point does not hold the container
 * @throws VaultError `format/missing`, `format/corrupt`, `format/newer-version`
 */
export async function readIndex(files: Files, seal: Seal, container: string): Promise<ManifestIndex | undefined> {
  const sealed = seal.containers.find(({ name }) => name === container);
  if (sealed === undefined) return undefined;
  const { path, sha256 } = sealed.index;
  const content = await readNamed(files, path);
  checkSha256(path, sha256, content);
  return decodeIndex(path, content);
}

/** @throws VaultError `format/missing`, `format/corrupt` */
export async function readSegment(files: Files, ref: SegmentRef): Promise<Entry[]> {
  return decodeSegment(ref, await readNamed(files, ref.path));
}

/** Like {@link readSegment}, with entries as lines. @throws VaultError `format/missing`, `format/corrupt` */
export async function readSegmentLines(files: Files, ref: SegmentRef): Promise<EntryLine[]> {
  return openSegment(ref, await readNamed(files, ref.path));
}

async function readNamed(files: Files, path: string): Promise<Uint8Array> {
  const content = await files.read(path);
  if (content !== undefined) return content;
  throw new VaultError("format/missing", `'${path}' was not found, although a recovery point refers to it`, {
    hint: "the vault account was changed by something other than Lakevault; use another recovery point",
  });
}
