/**
 * @module
 * What a backup needs of the storage account that it protects. `src/azure` implements it; tests have it in memory.
 */
import type { ListingPosition } from "../jobs/listing-position.ts";
import type { Entry } from "../vault/entry.ts";
import type { DatasourceKind } from "../vault/instance-document.ts";
import type { PublicAccess } from "../vault/seal.ts";

/** One blob or directory in a listing. */
export type ListedBlob = Omit<Entry, "birth"> & {
  /** The blob's access tier, also if it is only the account's default; `Archive` cannot be read. */
  readonly effectiveTier?: string;
};

export interface ListBlobsOptions {
  readonly from: ListingPosition;
  /** Names per call, at most 5,000. */
  readonly pageSize?: number;
}

/** A marker in a source container; `etag` unquoted. */
export interface SourceMarker {
  readonly name: string;
  readonly etag: string;
  readonly writtenAt: Date;
}

/** What a container has besides its blobs. */
export interface ContainerProperties {
  readonly container: string;
  /** Names in their original letter case; absent: none. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Absent: no anonymous access. */
  readonly publicAccess?: PublicAccess;
  /** Names of metadata whose values the service does not return. */
  readonly untoldMetadata?: readonly string[];
}

/** The storage account that is protected, as a backup reads it. */
export interface Datasource {
  /** As configured in the instance. */
  readonly kind: DatasourceKind;
  /** As reported by the account; undefined when unknown. */
  actualKind(): Promise<DatasourceKind | undefined>;
  containerExists(container: string): Promise<boolean>;
  /** Names of all containers, ascending, system containers left out. */
  listContainers(): Promise<string[]>;
  /** What containers have besides their blobs now; only those that have something. */
  describeContainers(): Promise<ContainerProperties[]>;
  /** Pages of a container's blobs in listing order, from a position to the end; a page may be empty. */
  listPages(container: string, options: ListBlobsOptions): AsyncIterable<readonly ListedBlob[]>;
  /** The blob as it is now; undefined when it does not exist. */
  look(container: string, name: string): Promise<ListedBlob | undefined>;
  /** Writes a small blob, unless the name exists. @returns the ETag of the blob that has the name now, unquoted */
  writeMarker(container: string, name: string, content: string): Promise<string>;
  /** Blobs with a prefix, at most 5,000, in listing order. */
  listMarkers(container: string, prefix: string): Promise<readonly SourceMarker[]>;
  /**
   * Deletes a marker with its listed ETag, if it exists.
   *
   * @returns `kept` when it has changed, or the service permanently refuses the deletion
   */
  removeMarker(container: string, marker: Pick<SourceMarker, "name" | "etag">): Promise<"removed" | "kept">;
  /** Deletes the directory of the markers, if there is one and it is empty. */
  removeMarkerDirectory(container: string): Promise<void>;
}
