import { isTransient } from "../foundation/adaptive-pool.ts";
import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import { sourceMarkerName, vaultMarkerPath } from "../vault/names.ts";
import { AccountProbe } from "./account-probe.ts";
import type { BackupVault } from "./backup-vault.ts";
import type { Taken } from "./copy-version.ts";

/** How often a copy that retries did not help is tried once more, each time after the marker was copied. */
const LAST_TRIES = 3;

/**
 * Tells a blob that is at fault from an account that is. An account that refuses, throttles or does not answer must not look
 * like millions of blobs that could not be taken. So before a blob is blamed, the job's own marker is copied the same way,
 * from the same container: it shows that all is well but for the blob.
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
   * @param refusal - what was said of the blob
   * @param error - what to throw when the account is at fault; absent: that it refuses
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
   * Decides about a blob whose copy failed for longer than the pool retries. A throttled account is no blob's
   * fault. All else is, when the marker is copied in between and the blob is not.
   *
   * @param shouldContinue - asked before each try
   * @throws VaultError the failure, when the account is at fault, or nobody can tell yet
   */
  async tryOnceMore(error: VaultError, copyOne: () => Promise<Taken>, shouldContinue: () => boolean): Promise<Taken> {
    let last = error;
    for (let tried = 0; tried < LAST_TRIES; tried++) {
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
    // One that is gone was asked for and answered all the same; what it means is found out when all ranges are in.
    if (outcome.kind !== "refused" && outcome.kind !== "unreadable") return;
    throw new VaultError("datasource/forbidden", outcome.message, { serviceCode: outcome.code });
  }
}

/** "The server is currently unable to receive requests": said of the account, or of a part of it. */
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
