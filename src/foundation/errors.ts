import { present } from "./present.ts";
/** Who can mend a failure: the one who asked, the one who runs the vault, or we. */
export type MendedBy = "caller" | "operator" | "developer";

interface FailureKind {
  /** The same step may succeed when it is tried again, with nothing changed. */
  readonly retryable: boolean;
  readonly mendedBy: MendedBy;
}

/**
 * Every failure that the vault names. The codes are a public contract: add freely, never rename, never reuse.
 * HTTP status, ARM code, job status and log level are derived from this table, in `src/api` and `src/app`.
 */
export const FAILURES = {
  "request/invalid": { retryable: false, mendedBy: "caller" },
  "request/too-large": { retryable: false, mendedBy: "caller" },
  "request/incomplete": { retryable: false, mendedBy: "caller" },
  "request/path-unknown": { retryable: false, mendedBy: "caller" },
  "request/method-not-allowed": { retryable: false, mendedBy: "caller" },
  "request/api-version-missing": { retryable: false, mendedBy: "caller" },
  "request/api-version-unknown": { retryable: false, mendedBy: "caller" },
  "access/not-configured": { retryable: false, mendedBy: "operator" },
  "access/unauthenticated": { retryable: false, mendedBy: "caller" },
  "access/forbidden": { retryable: false, mendedBy: "caller" },
  "vault/not-found": { retryable: false, mendedBy: "caller" },
  "vault/not-empty": { retryable: false, mendedBy: "caller" },
  "vault/immutable": { retryable: false, mendedBy: "caller" },
  "vault/soft-delete-always-on": { retryable: false, mendedBy: "caller" },
  "policy/not-found": { retryable: false, mendedBy: "caller" },
  "policy/invalid": { retryable: false, mendedBy: "caller" },
  "policy/in-use": { retryable: false, mendedBy: "caller" },
  "instance/not-found": { retryable: false, mendedBy: "caller" },
  "instance/invalid": { retryable: false, mendedBy: "caller" },
  "instance/already-protected": { retryable: false, mendedBy: "caller" },
  "instance/not-protected": { retryable: false, mendedBy: "caller" },
  "instance/invalid-state": { retryable: false, mendedBy: "caller" },
  "instance/deleted": { retryable: false, mendedBy: "caller" },
  "instance/busy": { retryable: false, mendedBy: "caller" },
  "recovery-point/not-found": { retryable: false, mendedBy: "caller" },
  "job/not-found": { retryable: false, mendedBy: "caller" },
  "job/cancelled": { retryable: false, mendedBy: "caller" },
  "job/stalled": { retryable: false, mendedBy: "operator" },
  "job/not-cancellable": { retryable: false, mendedBy: "caller" },
  "operation/not-found": { retryable: false, mendedBy: "caller" },
  "datasource/account-unknown": { retryable: false, mendedBy: "caller" },
  "datasource/container-not-found": { retryable: false, mendedBy: "caller" },
  "datasource/kind-mismatch": { retryable: false, mendedBy: "caller" },
  "datasource/too-many-containers": { retryable: false, mendedBy: "caller" },
  "datasource/forbidden": { retryable: false, mendedBy: "operator" },
  "datasource/refused": { retryable: false, mendedBy: "operator" },
  "datasource/changing-too-fast": { retryable: true, mendedBy: "operator" },
  "restore/unsupported": { retryable: false, mendedBy: "caller" },
  "restore/target-is-source": { retryable: false, mendedBy: "caller" },
  "restore/target-account-unknown": { retryable: false, mendedBy: "caller" },
  "restore/target-container-exists": { retryable: false, mendedBy: "caller" },
  "restore/target-in-other-region": { retryable: false, mendedBy: "caller" },
  "restore/container-not-in-recovery-point": { retryable: false, mendedBy: "caller" },
  "restore/target-changed": { retryable: false, mendedBy: "caller" },
  "restore/verification-failed": { retryable: false, mendedBy: "developer" },
  "listing/out-of-order": { retryable: false, mendedBy: "developer" },
  "format/newer-version": { retryable: false, mendedBy: "operator" },
  "format/corrupt": { retryable: false, mendedBy: "operator" },
  "format/missing": { retryable: false, mendedBy: "operator" },
  "manifest/incomplete": { retryable: false, mendedBy: "developer" },
  "marker/not-replicated": { retryable: true, mendedBy: "operator" },
  "message/poisoned": { retryable: false, mendedBy: "operator" },
  "storage/conflict": { retryable: true, mendedBy: "developer" },
  "storage/throttled": { retryable: true, mendedBy: "operator" },
  "storage/unavailable": { retryable: true, mendedBy: "operator" },
  "internal/out-of-time": { retryable: true, mendedBy: "operator" },
  "storage/refused": { retryable: true, mendedBy: "operator" },
  "internal/unexpected": { retryable: true, mendedBy: "developer" },
} as const satisfies Record<string, FailureKind>;

export type FailureCode = keyof typeof FAILURES;

/** A failure as plain JSON, fit for tables, history and queues: no stack, no secrets, no contents of entries. */
export interface Failure {
  readonly code: FailureCode;
  readonly message: string;
  /** What to do about it. */
  readonly hint?: string;
}

/** An error that the vault names; everything else that is thrown counts as `internal/unexpected`. */
export class VaultError extends Error {
  readonly code: FailureCode;
  readonly hint: string | undefined;
  /** How long the service asked to be left alone, ms; not part of the failure, because it means nothing later. */
  readonly retryAfterMs: number | undefined;
  /** The code of the service that refused a request, such as `BlobImmutableDueToPolicy`; the message says it too. */
  readonly serviceCode: string | undefined;

  constructor(
    code: FailureCode,
    message: string,
    options: {
      readonly hint?: string;
      readonly cause?: unknown;
      readonly retryAfterMs?: number;
      readonly serviceCode?: string;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "VaultError";
    this.code = code;
    this.hint = options.hint;
    this.retryAfterMs = options.retryAfterMs;
    this.serviceCode = options.serviceCode;
  }

  get retryable(): boolean {
    return FAILURES[this.code].retryable;
  }

  toFailure(): Failure {
    return { code: this.code, message: this.message, ...present({ hint: this.hint }) };
  }

  static of(failure: Failure): VaultError {
    return new VaultError(failure.code, failure.message, failure.hint === undefined ? {} : { hint: failure.hint });
  }
}

/**
 * Tells any thrown thing as a failure. The message of an unnamed error is not repeated, because it may quote a URL
 * with a signature; its kind is, so that the log line next to it can be found.
 */
export function toFailure(error: unknown): Failure {
  if (error instanceof VaultError) return error.toFailure();
  const kind = error instanceof Error ? error.name : typeof error;
  return { code: "internal/unexpected", message: `unexpected ${kind}`, hint: "see the app's log at this time" };
}
