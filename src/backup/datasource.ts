/**
 * @module
 * What a backup needs of the storage account that it protects. `src/azure` implements it; tests have it in memory.
 */
import type { ListingPosition } from "../jobs/listing-position.ts";
import type { Entry } from "../vault/entry.ts";
import type { DatasourceKind } from "../vault/instance-document.ts";
import type { PublicAccess } from "../vault/seal.ts";

/** What a listing tells of one blob or directory. */
export type ListedBlob = Omit<Entry, "birth"> & {
  /** The blob's access tier, also when it is only the account's default; `Archive` cannot be read. */
  readonly effectiveTier?: string;
};

export interface ListBlobsOptions {
  readonly from: ListingPosition;
  /** Names asked for in one call, at most 5,000. */
  readonly pageSize?: number;
}

/** A marker as a source container has it; `etag` unquoted. */
export interface SourceMarker {
  readonly name: string;
  readonly etag: string;
  readonly writtenAt: Date;
}

/** What a container has beside its blobs. */
export interface ContainerProperties {
  readonly container: string;
  /** Names in the case in which they were written; absent: none. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Absent: nobody may read it without a right. */
  readonly publicAccess?: PublicAccess;
  /** Names of metadata whose values the service does not tell. */
  readonly untoldMetadata?: readonly string[];
}

/** The storage account that is protected, as a backup reads it. */
export interface Datasource {
  /** As the instance has it. */
  readonly kind: DatasourceKind;
  /** As the account has it; undefined when it does not say. */
  actualKind(): Promise<DatasourceKind | undefined>;
  containerExists(container: string): Promise<boolean>;
  /** Names of all containers, ascending, system containers left out. */
  listContainers(): Promise<string[]>;
  /** What containers have beside their blobs, as it is now; only those that have something. */
  describeContainers(): Promise<ContainerProperties[]>;
  /** Pages of a container's blobs in listing order, from a position to the end; a page may be empty. */
  listPages(container: string, options: ListBlobsOptions): AsyncIterable<readonly ListedBlob[]>;
  /** The blob as it is now; undefined when there is none. */
  look(container: string, name: string): Promise<ListedBlob | undefined>;
  /** Writes a small blob, unless one has the name. @returns the ETag of the blob that has it now, unquoted */
  writeMarker(container: string, name: string, content: string): Promise<string>;
  /** What is there with a prefix, up to 5,000 of it, in listing order. */
  listMarkers(container: string, prefix: string): Promise<readonly SourceMarker[]>;
  /**
   * Removes a marker as it was listed; one that is gone is fine.
   *
   * @returns `kept` when it is another by now, or may not be removed, and trying again does not help
   */
  removeMarker(container: string, marker: Pick<SourceMarker, "name" | "etag">): Promise<"removed" | "kept">;
  /** Removes the directory of the markers, where they have one and it is empty. */
  removeMarkerDirectory(container: string): Promise<void>;
}
