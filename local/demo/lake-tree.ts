/**
 * @module
 * A directory tree as the contents of a lake: read from disk, uploaded, changed, and compared with what comes back.
 */
import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, extname, join, relative, sep } from "node:path";
import type { BlobServiceClient } from "@azure/storage-blob";
import { mapBounded } from "../../src/foundation/bounded-pool.ts";

/** One file of the tree and the blob that it becomes. */
export interface LakeFile {
  readonly path: string;
  readonly container: string;
  readonly name: string;
  readonly size: number;
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Top-level folders are dealt out to these in turn. */
export const CONTAINERS = ["raw", "curated", "models"] as const;

/** Requests in flight at once. */
const WIDTH = 32;

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  ".cjs": "text/javascript",
  ".css": "text/css",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".json": "application/json",
  ".map": "application/json",
  ".md": "text/markdown; charset=utf-8",
  ".mjs": "text/javascript",
  ".ts": "text/x-typescript",
  ".txt": "text/plain; charset=utf-8",
  ".wasm": "application/wasm",
};

/**
 * Folders of `node_modules` that are no packages: links, and caches that tools rewrite at any time, also while the demo
 * runs.
 */
const NO_PACKAGES = /^\./;

/**
 * Reads a tree's regular files, folder by folder in the order of their names.
 *
 * @param most - files taken at most
 */
export async function readTree(root: string, most: number): Promise<LakeFile[]> {
  const files: LakeFile[] = [];
  const folders = [root];
  const isTaken = (folder: string, name: string): boolean =>
    basename(folder) !== "node_modules" || !NO_PACKAGES.test(name);
  for (let folder = folders.pop(); folder !== undefined && files.length < most; folder = folders.pop()) {
    const found = (await readdir(folder, { withFileTypes: true }))
      .filter(({ name }) => isTaken(folder, name))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of found.filter((one) => one.isFile()).slice(0, most - files.length)) {
      files.push(await describe(root, join(folder, entry.name)));
    }
    for (const entry of found.filter((one) => one.isDirectory()).reverse()) folders.push(join(folder, entry.name));
  }
  return files;
}

async function describe(root: string, path: string): Promise<LakeFile> {
  const { size, mtime, mode } = await stat(path);
  const name = relative(root, path).split(sep).join("/");
  const top = createHash("sha256").update(name.split("/", 1).join()).digest();
  return {
    path,
    container: CONTAINERS[(top[0] ?? 0) % CONTAINERS.length] ?? CONTAINERS[0],
    name,
    size,
    contentType: CONTENT_TYPES[extname(name).toLowerCase()] ?? "application/octet-stream",
    metadata: { modified: mtime.toISOString(), mode: (mode & 0o777).toString(8) },
  };
}

export type OnFile = (file: LakeFile) => void;

export async function uploadTree(lake: BlobServiceClient, files: readonly LakeFile[], onFile: OnFile): Promise<void> {
  for (const container of CONTAINERS) await lake.getContainerClient(container).create();
  await mapBounded(files, WIDTH, async (file) => {
    const blob = lake.getContainerClient(file.container).getBlockBlobClient(file.name);
    await blob.uploadData(await readFile(file.path), {
      blobHTTPHeaders: { blobContentType: file.contentType },
      metadata: { ...file.metadata },
    });
    onFile(file);
  });
}

export interface Changes {
  readonly changed: number;
  readonly added: number;
  readonly deleted: number;
}

/** Changes 2 % of the blobs, deletes 1.5 % and adds as many. */
export async function changeLake(lake: BlobServiceClient, files: readonly LakeFile[]): Promise<Changes> {
  const kinds = files.map((file, i) => ({ file, kind: i % 200 }));
  const changed = kinds.filter(({ kind }) => kind < 4);
  const deleted = kinds.filter(({ kind }) => kind >= 4 && kind < 7);
  const added = kinds.filter(({ kind }) => kind >= 7 && kind < 10);
  const put = ({ container }: LakeFile, name: string): Promise<unknown> => {
    const text = `written after the first backup: ${name}\n`;
    return lake.getContainerClient(container).getBlockBlobClient(name).upload(text, Buffer.byteLength(text));
  };
  await mapBounded(changed, WIDTH, ({ file }) => put(file, file.name));
  await mapBounded(deleted, WIDTH, ({ file }) => lake.getContainerClient(file.container).deleteBlob(file.name));
  await mapBounded(added, WIDTH, ({ file }) => put(file, `${file.name}.added`));
  return { changed: changed.length, added: added.length, deleted: deleted.length };
}

/**
 * Downloads every blob and compares it with the file that it came from: bytes, content type, metadata.
 *
 * @returns the differences, one line each; empty when all is identical
 */
export async function compareLake(
  lake: BlobServiceClient,
  files: readonly LakeFile[],
  onFile: OnFile,
): Promise<string[]> {
  const wanted = new Set(files.map(({ container, name }) => `${container}/${name}`));
  const differences: string[] = [];
  for (const container of CONTAINERS) {
    for await (const { name } of lake.getContainerClient(container).listBlobsFlat()) {
      if (!wanted.has(`${container}/${name}`)) differences.push(`${container}/${name}: should not be there`);
    }
  }
  await mapBounded(files, WIDTH, async (file) => {
    const difference = await compareFile(lake, file);
    if (difference !== undefined) differences.push(`${file.container}/${file.name}: ${difference}`);
    onFile(file);
  });
  return differences;
}

async function compareFile(lake: BlobServiceClient, file: LakeFile): Promise<string | undefined> {
  const blob = lake.getContainerClient(file.container).getBlobClient(file.name);
  let response: Awaited<ReturnType<typeof blob.download>>;
  try {
    response = await blob.download();
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 404) return "is missing";
    throw error;
  }
  const parts: Buffer[] = [];
  for await (const part of response.readableStreamBody ?? []) parts.push(Buffer.from(part));
  if (!Buffer.concat(parts).equals(await readFile(file.path))) return "has other bytes";
  if (response.contentType !== file.contentType) return `has content type '${response.contentType}'`;
  const metadata = Object.entries(response.metadata ?? {});
  const isSame =
    metadata.length === Object.keys(file.metadata).length &&
    metadata.every(([key, value]) => file.metadata[key] === value);
  return isSame ? undefined : "has other metadata";
}
