import { present } from "./present.ts";
/** Who can fix a failure: the caller, the operator of the vault, or the developers of Lakevault. */
export type FixedBy = "caller" | "operator" | "developer";

interface FailureKind {
  /** The same step may succeed when it is retried unchanged. */
  readonly retryable: boolean;
  readonly fixedBy: FixedBy;
}

/**
 * All failure codes. They are a public contract: add freely, never rename, never reuse.
 * HTTP status, ARM code, job status and log level are derived from this table, in `src/api` and `src/app`.
 */
export const FAILURES = {
  "request/invalid": { retryable: false, fixedBy: "caller" },
  "request/too-large": { retryable: false, fixedBy: "caller" },
  "request/incomplete": { retryable: false, fixedBy: "caller" },
  "request/path-unknown": { retryable: false, fixedBy: "caller" },
  "request/method-not-allowed": { retryable: false, fixedBy: "caller" },
  "request/api-version-missing": { retryable: false, fixedBy: "caller" },
  "request/api-version-unknown": { retryable: false, fixedBy: "caller" },
  "access/not-configured": { retryable: false, fixedBy: "operator" },
  "access/unauthenticated": { retryable: false, fixedBy: "caller" },
  "access/forbidden": { retryable: false, fixedBy: "caller" },
  "vault/not-found": { retryable: false, fixedBy: "caller" },
  "vault/not-empty": { retryable: false, fixedBy: "caller" },
  "vault/immutable": { retryable: false, fixedBy: "caller" },
  "vault/soft-delete-always-on": { retryable: false, fixedBy: "caller" },
  "policy/not-found": { retryable: false, fixedBy: "caller" },
  "policy/invalid": { retryable: false, fixedBy: "caller" },
  "policy/in-use": { retryable: false, fixedBy: "caller" },
  "instance/not-found": { retryable: false, fixedBy: "caller" },
  "instance/invalid": { retryable: false, fixedBy: "caller" },
  "instance/already-protected": { retryable: false, fixedBy: "caller" },
  "instance/not-protected": { retryable: false, fixedBy: "caller" },
  "instance/invalid-state": { retryable: false, fixedBy: "caller" },
  "instance/deleted": { retryable: false, fixedBy: "caller" },
  "instance/busy": { retryable: false, fixedBy: "caller" },
  "recovery-point/not-found": { retryable: false, fixedBy: "caller" },
  "job/not-found": { retryable: false, fixedBy: "caller" },
  "job/cancelled": { retryable: false, fixedBy: "caller" },
  "job/stalled": { retryable: false, fixedBy: "operator" },
  "job/not-cancellable": { retryable: false, fixedBy: "caller" },
  "operation/not-found": { retryable: false, fixedBy: "caller" },
  "datasource/account-unknown": { retryable: false, fixedBy: "caller" },
  "datasource/container-not-found": { retryable: false, fixedBy: "caller" },
  "datasource/kind-mismatch": { retryable: false, fixedBy: "caller" },
  "datasource/too-many-containers": { retryable: false, fixedBy: "caller" },
  "datasource/forbidden": { retryable: false, fixedBy: "operator" },
  "datasource/refused": { retryable: false, fixedBy: "operator" },
  "datasource/changing-too-fast": { retryable: true, fixedBy: "operator" },
  "restore/unsupported": { retryable: false, fixedBy: "caller" },
  "restore/target-is-source": { retryable: false, fixedBy: "caller" },
  "restore/target-account-unknown": { retryable: false, fixedBy: "caller" },
  "restore/target-container-exists": { retryable: false, fixedBy: "caller" },
  "restore/target-in-other-region": { retryable: false, fixedBy: "caller" },
  "restore/container-not-in-recovery-point": { retryable: false, fixedBy: "caller" },
  "restore/target-changed": { retryable: false, fixedBy: "caller" },
  "restore/verification-failed": { retryable: false, fixedBy: "developer" },
  "listing/out-of-order": { retryable: false, fixedBy: "developer" },
  "format/newer-version": { retryable: false, fixedBy: "operator" },
  "format/corrupt": { retryable: false, fixedBy: "operator" },
  "format/missing": { retryable: false, fixedBy: "operator" },
  "manifest/incomplete": { retryable: false, fixedBy: "developer" },
  "marker/not-replicated": { retryable: true, fixedBy: "operator" },
  "message/poisoned": { retryable: false, fixedBy: "operator" },
  "storage/conflict": { retryable: true, fixedBy: "developer" },
  "storage/throttled": { retryable: true, fixedBy: "operator" },
  "storage/unavailable": { retryable: true, fixedBy: "operator" },
  "internal/out-of-time": { retryable: true, fixedBy: "operator" },
  "storage/refused": { retryable: true, fixedBy: "operator" },
  "internal/unexpected": { retryable: true, fixedBy: "developer" },
} as const satisfies Record<string, FailureKind>;

export type FailureCode = keyof typeof FAILURES;

/** A failure as plain JSON for tables, history and queues: no stack, no secrets, no contents of entries. */
export interface Failure {
  readonly code: FailureCode;
  readonly message: string;
  /** What to do about it. */
  readonly hint?: string;
}

/** An error with a code; everything else that is thrown counts as `internal/unexpected`. */
export class VaultError extends Error {
  readonly code: FailureCode;
  readonly hint: string | undefined;
  /** Retry-After of the service, ms; not part of the failure, because it is meaningless later. */
  readonly retryAfterMs: number | undefined;
  /** Error code of the service, such as `BlobImmutableDueToPolicy`; the message contains it too. */
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
    return new VaultError(failure.code, failure.message, present({ hint: failure.hint }));
  }
}

/**
 * Converts anything thrown to a failure. The message of an error without a code is left out, because it may quote a URL
 * with a signature; its kind is kept, so that the matching log line can be found.
 */
export function toFailure(error: unknown): Failure {
  if (error instanceof VaultError) return error.toFailure();
  const kind = error instanceof Error ? error.name : typeof error;
  return { code: "internal/unexpected", message: `unexpected ${kind}`, hint: "see the app's log at this time" };
}
