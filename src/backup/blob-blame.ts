import { isTransient } from "../foundation/adaptive-pool.ts";
import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import { sourceMarkerName, vaultMarkerPath } from "../vault/names.ts";
import { AccountProbe } from "./account-probe.ts";
import type { BackupVault } from "./backup-vault.ts";
import type { Taken } from "./copy-version.ts";

/** Attempts after the pool's time for retries is over, each after a successful copy of the marker. */
const MAX_LAST_ATTEMPTS = 3;

/**
 * Distinguishes a faulty blob from a faulty account. An account that refuses, throttles or does not answer must not
 * result in millions of warnings. So before a blob is blamed, the job's own marker is copied the same way from the same
 * container: if that works, only the blob is at fault.
 */
export class BlobBlame {
  readonly #vault: Pick<BackupVault, "copyMarker">;
  readonly #jobId: string;
  readonly #container: string;
  readonly #probe = new AccountProbe(() => this.#copyMarker());

  constructor(vault: Pick<BackupVault, "copyMarker">, jobId: string, container: string) {
    this.#vault = vault;
    this.#jobId = jobId;
    this.#container = container;
  }

  /**
   * @param refusal - message of the blob's refusal
   * @param error - thrown when the account is at fault; absent: an error that it refuses everything
   * @throws VaultError `datasource/forbidden`, or the given error
   */
  async check(refusal: string, error?: VaultError): Promise<void> {
    try {
      await this.#probe.check();
    } catch (cause) {
      if (!(cause instanceof VaultError) || cause.code === "datasource/container-not-found") throw cause;
      throw error ?? (isTransient(cause) ? cause : allRefused(refusal, cause));
    }
  }

  /**
   * Decides about a blob whose copy failed for longer than the pool retries. Throttling is never a blob's fault. Any
   * other failure is, if the marker can be copied in between and the blob cannot.
   *
   * @param shouldContinue - called before each attempt
   * @throws VaultError the failure, if the account is at fault, or that is not known yet
   */
  async tryOnceMore(error: VaultError, copyOne: () => Promise<Taken>, shouldContinue: () => boolean): Promise<Taken> {
    let last = error;
    for (let tried = 0; tried < MAX_LAST_ATTEMPTS; tried++) {
      if (isThrottling(last) || !shouldContinue()) throw last;
      await this.check(last.message, last);
      try {
        return await copyOne();
      } catch (again) {
        if (!isTransient(again)) throw again;
        last = again;
      }
    }
    const warning = { code: last.serviceCode ?? last.code, message: last.message };
    return { copiedBytes: 0, changedDuringCopy: false, warning };
  }

  async #copyMarker(): Promise<void> {
    const path = vaultMarkerPath(this.#jobId, this.#container);
    const marker = sourceMarkerName(this.#container, this.#jobId);
    const outcome = await this.#vault.copyMarker(this.#container, marker, path);
    // A marker that is gone got an answer too; the check after all ranges finds out what it means.
    if (outcome.kind !== "refused" && outcome.kind !== "unreadable") return;
    throw new VaultError("datasource/forbidden", outcome.message, { serviceCode: outcome.code });
  }
}

/** "The server is currently unable to receive requests": about the account, or a part of it. */
function isThrottling({ code, serviceCode }: VaultError): boolean {
  return code === "storage/throttled" && serviceCode !== "OperationTimedOut";
}

function allRefused(message: string, cause: VaultError): VaultError {
  return new VaultError("datasource/forbidden", `${message}; the job's marker is refused too: ${cause.message}`, {
    hint: cause.hint ?? "check the role assignments of the app's identity on both accounts, and their network rules",
    cause,
    ...present({ serviceCode: cause.serviceCode }),
  });
}
