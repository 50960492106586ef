/**
 * @module
 * Making the rows of vaults again from the vault account alone, after the tables are lost.
 */
import type { FailureCode } from "../foundation/errors.ts";
import type { VaultFiles } from "../vault/vault-files.ts";

/** The vault account as a rebuild reads it. */
export interface VaultAccount {
  /** Names of all containers that start so, ascending. */
  containers(prefix: string): AsyncIterable<string>;
  /** Files of a container; one that is not there has none. */
  files(container: string): Pick<VaultFiles, "read" | "list">;
}

export const REBUILT_KINDS = ["vault", "policy", "instance", "schedule", "recoveryPoint"] as const;

export type RebuiltKind = (typeof REBUILT_KINDS)[number];

/**
 * What became of one thing that the vault account tells of.
 *
 * - `made`: its row was not there, and is now
 * - `kept`: it has a row, which stays as it is
 * - `removed`: the row of a recovery point that has no seal any more
 * - `leftOut`: it is being purged, or was removed while the rebuild ran
 * - `unreadable`: its document is damaged, missing, or written by a newer version
 */
export const REBUILD_OUTCOMES = ["made", "kept", "removed", "leftOut", "unreadable"] as const;

export type RebuildOutcome = (typeof REBUILD_OUTCOMES)[number];

export interface RebuildFinding {
  readonly kind: RebuiltKind;
  /** ARM id; of what has none, or is not known: its place in the vault account. */
  readonly name: string;
  readonly outcome: RebuildOutcome;
  /** What was decided, or what is wrong with it. */
  readonly because?: string;
  /** Of what is unreadable. */
  readonly code?: FailureCode;
}

export type RebuildCounts = Readonly<Record<RebuiltKind, Readonly<Record<RebuildOutcome, number>>>>;

export interface RebuildRequest {
  /** ARM id of one vault; absent: all that the vault account tells of. */
  readonly vaultArmId?: string;
  /** Ends after the vault and its policies. */
  readonly isVaultOnly?: boolean;
  /** As the call before has answered; absent at the first. */
  readonly continuation?: string;
}

/** What one call has done. */
export interface RebuildResult {
  readonly counts: RebuildCounts;
  /** Vaults, policies and instances one by one; of schedules and recovery points only what is worth a look. */
  readonly findings: readonly RebuildFinding[];
  /** Present while there is more to do: to be given to the next call. */
  readonly continuation?: string;
}

/** @throws VaultError `request/invalid` when the continuation is none */
export type Rebuild = (request: RebuildRequest) => Promise<RebuildResult>;
