/**
 * @module
 * What a backup says to its queues and activities, and what it needs of the datasource and the vault.
 * `src/azure` implements the interfaces; tests have them in memory.
 */
import { z } from "zod";
import type { Activity } from "../foundation/flow.ts";
import { JobRef, type JobTotals, type Position } from "../jobs/contract.ts";
import { RangeId } from "../jobs/work.ts";
import type { VaultFiles } from "../vault/contract.ts";
import type { Entry } from "../vault/entry.ts";
import type { DatasourceKind } from "../vault/instance-file.ts";
import type { PublicAccess } from "../vault/seal.ts";

/** Queue `container-plans`: cut one container into ranges, and send them off. */
export const PlanMessage = JobRef.extend({ container: z.string() });
export type PlanMessage = Readonly<z.infer<typeof PlanMessage>>;

/** Queue `container-copy`: work one piece of one range. Ids and names only; rows tell the rest. */
export const RangeMessage = JobRef.extend({
  container: z.string(),
  range: RangeId,
  /** Ordinal of the piece; a worker that runs out of time leaves the rest to the next piece. */
  piece: z.int().nonnegative(),
  /**
   * What the planned range is followed by: with `n` lanes, the first takes the ranges 0, n, 2n and so on, one after the
   * other. Absent for what was split off.
   */
  lane: z.object({ lanes: z.int().positive(), parts: z.int().positive() }).optional(),
});
export type RangeMessage = Readonly<z.infer<typeof RangeMessage>>;

/** Queue `marker-checks`: are all ranges of the container in? */
export const MarkerCheckMessage = JobRef.extend({
  container: z.string(),
  /** The group of ranges in which one was finished. */
  group: z.int().nonnegative(),
});
export type MarkerCheckMessage = Readonly<z.infer<typeof MarkerCheckMessage>>;

/** What to send when a plan or a piece is in: ranges, or the rest of one and what it gave away, or a marker check. */
export interface RangeStep {
  readonly ranges: readonly RangeMessage[];
  readonly check?: MarkerCheckMessage;
}

export const CONTAINER_PLANS_QUEUE = "container-plans";
export const CONTAINER_COPY_QUEUE = "container-copy";
export const MARKER_CHECKS_QUEUE = "marker-checks";

/** Raised to the backup's orchestration when the container's marker has arrived. `$web` has a sign that URLs fold. */
export function replicatedEvent(container: string): string {
  return `replicated.${container.replaceAll("$", "_")}`;
}

export interface BegunBackup {
  /** False: the job has ended before, and there is nothing to do. */
  readonly begun: boolean;
  readonly containers: readonly string[];
}

const activity = <Out>(name: string): Activity<JobRef, Out> => ({ name, parse: (input) => JobRef.parse(input) });

export const beginBackup = activity<BegunBackup>("beginBackup");
export const writeMarkers = activity<null>("writeMarkers");
export const planRanges = activity<null>("planRanges");
export const sealRecoveryPoint = activity<JobTotals>("sealRecoveryPoint");
export const removeMarkers = activity<null>("removeMarkers");

/** Where a sweep goes on: the number of the point, and the path of the vault. */
export const SweepPosition = z.object({ sequence: z.int().positive(), path: z.string() });
export type SweepPosition = Readonly<z.infer<typeof SweepPosition>>;

const SweepInput = JobRef.extend({ from: SweepPosition.optional() });
export type SweepInput = Readonly<z.infer<typeof SweepInput>>;

/** Answers with where to go on; null: done. */
export const sweepDebris: Activity<SweepInput, SweepPosition | null> = {
  name: "sweepDebris",
  parse: (input) => SweepInput.parse(input),
};

/** What a listing tells of one blob or directory. */
export type ListedBlob = Omit<Entry, "birth"> & {
  /** The blob's access tier, also when it is only the account's default; `Archive` cannot be read. */
  readonly effectiveTier?: string;
};

export interface ListOptions {
  readonly from: Position;
  /** Names asked for in one call, at most 5,000. */
  readonly pageSize?: number;
}

/** One version of one blob at the source. */
export interface SourceVersion {
  readonly container: string;
  readonly name: string;
  readonly etag: string;
  readonly size: number;
  readonly type?: Entry["type"];
  /**
   * For blobs that may be written all the time, append and page blobs: any version will do that was current at this moment
   * (ISO 8601 UTC) or later, and goes where this says.
   */
  readonly orLater?: { readonly since: string; readonly pathOf: (etag: string) => string };
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
  listPages(container: string, options: ListOptions): AsyncIterable<readonly ListedBlob[]>;
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

export type CopyOutcome =
  /**
   * Copied now, or found whole from an attempt before. `md5`: of the content, base64, where the service that copied it
   * worked it out; the source's own may be anything that its writer set. `version`: where a later one was copied.
   */
  | {
      readonly kind: "copied";
      readonly movedBytes: number;
      readonly md5?: string;
      readonly version?: Pick<Entry, "etag" | "size" | "modified">;
    }
  /** The source no longer has this version. */
  | { readonly kind: "changed" }
  /** The source no longer has the blob. */
  | { readonly kind: "gone" }
  /** The caller's time ran out; what was copied so far is used by the next attempt. */
  | { readonly kind: "unfinished" }
  /** It can never be read as it is; `code` is a stable word such as `archived`. */
  | { readonly kind: "unreadable"; readonly code: string; readonly message: string }
  /**
   * A service refuses this copy, and not because of the container or the account as far as it says; `code` is the service's.
   * Whether it refuses all others too is for the caller to find out.
   */
  | { readonly kind: "refused"; readonly code: string; readonly message: string };

/** The vault as a backup writes it. */
export interface BackupVault extends VaultFiles {
  /**
   * Copies one version into a new object, server-side, on the condition that the source still is this version.
   * An object that is already there is accepted only when its length and copy status say that it is whole; one that
   * is not is removed, if it still is the one that was looked at, and copied anew.
   *
   * @param goesOn - asked between the parts of a copy of many; once it says no, the copy stops where it is
   * @throws VaultError `storage/throttled`, `storage/unavailable` (retryable), `datasource/forbidden`
   */
  copyObject(version: SourceVersion, path: string, goesOn: () => boolean): Promise<CopyOutcome>;
  /**
   * Copies a marker server-side, over one of an attempt before.
   *
   * @param etag - of the marker that was written, unquoted; any other is `changed`. Absent: whichever is there
   */
  copyMarker(container: string, name: string, path: string, etag?: string): Promise<CopyOutcome>;
}

export { type Attempt, listAttempts } from "./attempts.ts";
