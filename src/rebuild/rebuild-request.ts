/**
 * @module
 * Rebuilds the rows of vaults from the vault account alone, after the tables are lost.
 */
import type { FailureCode } from "../foundation/errors.ts";
import type { VaultFiles } from "../vault/vault-files.ts";

/** Operations on the vault account for a rebuild. */
export interface VaultAccount {
  /** Names of all containers with this prefix, ascending. */
  containers(prefix: string): AsyncIterable<string>;
  /** Files of a container; none if it is not found. */
  files(container: string): Pick<VaultFiles, "read" | "list">;
}

export const REBUILT_KINDS = ["vault", "policy", "instance", "schedule", "recoveryPoint"] as const;

export type RebuiltKind = (typeof REBUILT_KINDS)[number];

/**
 * Outcome for one document of the vault account.
 *
 * - `made`: its row was missing, and was inserted
 * - `kept`: it has a row, which stays unchanged
 * - `removed`: the row of a recovery point that no longer has a seal
 * - `leftOut`: it is being purged, or was deleted while the rebuild ran
 * - `unreadable`: its document is corrupt, missing, or written by a newer version
 */
export const REBUILD_OUTCOMES = ["made", "kept", "removed", "leftOut", "unreadable"] as const;

export type RebuildOutcome = (typeof REBUILD_OUTCOMES)[number];

export interface RebuildFinding {
  readonly kind: RebuiltKind;
  /** ARM id; if there is none or it is unknown: its location in the vault account. */
  readonly name: string;
  readonly outcome: RebuildOutcome;
  /** What was decided, or what is wrong with it. */
  readonly because?: string;
  /** Only for `unreadable`. */
  readonly code?: FailureCode;
}

export type RebuildCounts = Readonly<Record<RebuiltKind, Readonly<Record<RebuildOutcome, number>>>>;

export interface RebuildRequest {
  /** ARM id of one vault; absent: all vaults in the vault account. */
  readonly vaultArmId?: string;
  /** Ends after the vault and its policies. */
  readonly isVaultOnly?: boolean;
  /** From the result of the previous call; absent in the first. */
  readonly continuation?: string;
}

/** Result of one call. */
export interface RebuildResult {
  readonly counts: RebuildCounts;
  /** Vaults, policies and instances one by one; of schedules and recovery points only the unusual ones. */
  readonly findings: readonly RebuildFinding[];
  /** Present while there is more to do: pass it to the next call. */
  readonly continuation?: string;
}

/** @throws VaultError `request/invalid` when the continuation is invalid */
export type Rebuild = (request: RebuildRequest) => Promise<RebuildResult>;
