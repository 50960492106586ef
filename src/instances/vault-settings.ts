/**
 * @module
 * How a vault protects its content from deletion: soft delete and immutability, read from the wire.
 */

import { z } from "zod";
import { VaultError } from "../foundation/errors.ts";
import type { RecordTable } from "../foundation/records.ts";
import { FULL_SAFETY } from "../foundation/safety.ts";
import type { VaultRecord } from "./vault-record.ts";

export const SOFT_DELETE_STATES = ["Off", "On", "AlwaysOn"] as const;
export const IMMUTABILITY_STATES = ["Disabled", "Unlocked", "Locked"] as const;

/** Days that a deleted instance is kept: Azure's limits and default. */
export const SOFT_DELETE_DAYS = { min: FULL_SAFETY.minSoftDeleteDays, max: 180, default: 14 } as const;

export interface VaultSettings {
  readonly softDelete: {
    /** `AlwaysOn` cannot be left. */
    readonly state: (typeof SOFT_DELETE_STATES)[number];
    readonly days: number;
  };
  /** `Locked` cannot be left. */
  readonly immutability: (typeof IMMUTABILITY_STATES)[number];
}

/** `securitySettings` of a vault on the wire. */
export const SecuritySettings = z.looseObject({
  softDeleteSettings: z
    .looseObject({ state: z.string().optional(), retentionDurationInDays: z.number().optional() })
    .optional(),
  immutabilitySettings: z.looseObject({ state: z.string().optional() }).optional(),
});
export type SecuritySettings = Readonly<z.infer<typeof SecuritySettings>>;

/**
 * Reads the settings of a vault. Azure's defaults: soft delete for 14 days, no immutability.
 *
 * @throws VaultError `request/invalid`
 */
export function readVaultSettings(security: SecuritySettings | undefined): VaultSettings {
  const { state, retentionDurationInDays: days = SOFT_DELETE_DAYS.default } = security?.softDeleteSettings ?? {};
  if (!Number.isInteger(days) || days < SOFT_DELETE_DAYS.min || days > SOFT_DELETE_DAYS.max) {
    throw new VaultError("request/invalid", `a soft delete for ${days} days is not supported`, {
      hint: `retentionDurationInDays is a whole number from ${SOFT_DELETE_DAYS.min} to ${SOFT_DELETE_DAYS.max}`,
    });
  }
  return {
    softDelete: { state: wordOf(SOFT_DELETE_STATES, OLDER_WORDS[state?.toLowerCase() ?? ""] ?? state ?? "On"), days },
    immutability: wordOf(IMMUTABILITY_STATES, security?.immutabilitySettings?.state ?? "Disabled"),
  };
}

/** Words of clients for older API versions. */
const OLDER_WORDS: Readonly<Record<string, string>> = { enabled: "On", disabled: "Off" };

function wordOf<Word extends string>(words: readonly Word[], given: string): Word {
  const found = words.find((word) => word.toLowerCase() === given.toLowerCase());
  if (found !== undefined) return found;
  throw new VaultError("request/invalid", `'${given}' is not one of ${words.join(", ")}`);
}

/** The settings of a stored vault, which were checked before. */
export function settingsOf({ properties }: VaultRecord): VaultSettings {
  const security = SecuritySettings.safeParse(properties["securitySettings"]);
  return readVaultSettings(security.success ? security.data : undefined);
}

/** Whether no point may expire earlier than promised; true for an unknown vault. */
export function isImmutable(vault: VaultRecord | undefined): boolean {
  return vault === undefined || settingsOf(vault).immutability !== "Disabled";
}

/**
 * Checks a change of a vault's settings.
 *
 * @throws VaultError `vault/immutable`, `vault/soft-delete-always-on`
 */
export function checkVaultChange(before: VaultSettings, wanted: VaultSettings): void {
  if (before.immutability === "Locked" && wanted.immutability !== "Locked") {
    throw new VaultError("vault/immutable", "the vault's immutability is locked and cannot be changed");
  }
  if (before.softDelete.state !== "AlwaysOn") return;
  if (wanted.softDelete.state !== "AlwaysOn") {
    throw new VaultError("vault/soft-delete-always-on", "soft delete of the vault is always on and cannot be changed");
  }
  if (wanted.softDelete.days < before.softDelete.days) {
    throw new VaultError(
      "vault/soft-delete-always-on",
      `soft delete of the vault is always on, and its ${before.softDelete.days} days cannot be shortened`,
    );
  }
}

/** The key of a vault's row. */
export function vaultRecordKey(vaultArmId: string): { readonly partition: string; readonly row: string } {
  const [, , subscription = "", , group = "", , , , vault = ""] = vaultArmId.toLowerCase().split("/");
  return { partition: subscription, row: `${group}|${vault}` };
}

export async function findVault(
  vaults: RecordTable<VaultRecord>,
  vaultArmId: string,
): Promise<VaultRecord | undefined> {
  const { partition, row } = vaultRecordKey(vaultArmId);
  return (await vaults.get(partition, row))?.value;
}
