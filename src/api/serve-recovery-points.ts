import { DateTime } from "luxon";
import { VaultError } from "../foundation/errors.ts";
import { deriveUuid } from "../foundation/ids.ts";
import { present } from "../foundation/present.ts";
import { listRecords } from "../foundation/records.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import type { RecoveryPoint } from "../instances/recovery-point.ts";
import { type VaultRecord, vaultKey } from "../instances/vault-record.ts";
import { isImmutable } from "../instances/vault-settings.ts";
import { endsOf } from "../retention/check-lives.ts";
import { type ApiCall, type ApiDeps, type ApiResponse, type InstancePath, ok } from "./api-call.ts";
import { PROVIDER } from "./arm-ids.ts";
import { findRecoveryPoint } from "./check-restore.ts";
import { requireInstance } from "./instance-resource.ts";
import { listPage, PAGE_SIZE, queryOption, skipToken } from "./lists.ts";
import { requireVault } from "./vault-resource.ts";

export interface RecoveryPointPath extends InstancePath {
  readonly recoveryPoint: string;
}

/** Lists the newest first. Rows are by id, so each page reads all rows of an instance: at most about ten thousand. */
export async function listRecoveryPoints(call: ApiCall<InstancePath>): Promise<ApiResponse> {
  const { deps, params } = call;
  const vault = await requireVault(deps, params);
  const instance = await requireInstance(deps, vault, params.instance);
  const { from, until } = readRange(queryOption(call.query, "$filter") ?? "");
  const after = skipToken(call);

  const points: RecoveryPoint[] = [];
  for await (const { value: point } of listRecords(deps.tables.recoveryPoints, instance.id)) {
    const time = Date.parse(point.time);
    if (time >= from && time <= until && (after === undefined || sortKey(point) < after)) points.push(point);
  }
  points.sort((a, b) => (sortKey(a) > sortKey(b) ? -1 : 1));

  const page = points.slice(0, PAGE_SIZE);
  const last = page.at(-1);
  const next = points.length > PAGE_SIZE && last !== undefined ? sortKey(last) : undefined;
  const resource = await recoveryPointResource(deps, vault, instance);
  return listPage(call, page.map(resource), next);
}

/** Increases with time; the id distinguishes recovery points of the same time. */
function sortKey(point: RecoveryPoint): string {
  return `${new Date(point.time).toISOString()}|${point.id}`;
}

export async function getRecoveryPoint(call: ApiCall<RecoveryPointPath>): Promise<ApiResponse> {
  const { deps, params } = call;
  const vault = await requireVault(deps, params);
  const instance = await requireInstance(deps, vault, params.instance);
  const point = await findRecoveryPoint(deps.tables.recoveryPoints, instance, params.recoveryPoint);
  return ok((await recoveryPointResource(deps, vault, instance))(point));
}

/**
 * Parses the filter that Azure's CLI sends: `startDate eq '<iso>' and endDate eq '<iso>'`, either alone, or nothing.
 *
 * @returns bounds in Unix milliseconds, both included
 * @throws VaultError `request/invalid`
 */
export function readRange(filter: string): { readonly from: number; readonly until: number } {
  let from = Number.NEGATIVE_INFINITY;
  let until = Number.POSITIVE_INFINITY;
  if (filter.trim() === "") return { from, until };
  for (const term of filter.split(/\s+and\s+/i)) {
    const [, name, value = ""] = /^\s*(startDate|endDate)\s+eq\s+'([^']*)'\s*$/i.exec(term) ?? [];
    const time = DateTime.fromISO(value, { zone: "utc" });
    // A time without a date would mean the day of the request.
    if (name === undefined || !time.isValid || !/^\d{4}/.test(value)) {
      throw new VaultError("request/invalid", `the filter '${filter}' is not supported by this list`, {
        hint: "startDate eq '2026-01-01T00:00:00Z' and endDate eq '2026-02-01T00:00:00Z'",
      });
    }
    if (name.toLowerCase() === "startdate") from = time.toMillis();
    else until = time.toMillis();
  }
  return { from, until };
}

/** Returns recovery points as ARM's `AzureBackupRecoveryPointResource`, with their expiry by the policy in force. */
async function recoveryPointResource(
  deps: ApiDeps,
  vault: VaultRecord,
  instance: BackupInstance,
): Promise<(point: RecoveryPoint) => object> {
  const stored = await deps.tables.policies.get(vaultKey(vault.armId), instance.policyName.toLowerCase());
  const now = deps.clock();
  const expiryOf = (point: RecoveryPoint): string | undefined => {
    // Nothing expires while protection is stopped.
    if (instance.protectionState === "ProtectionStopped") return undefined;
    const [end = Number.POSITIVE_INFINITY] = endsOf([point], stored?.value.retentionRules, isImmutable(vault), now);
    return Number.isFinite(end) ? new Date(end).toISOString() : undefined;
  };

  return (point) => {
    const expiryTime = expiryOf(point);
    return {
      id: `${instance.armId}/recoveryPoints/${point.id}`,
      name: point.id,
      type: `${PROVIDER}/backupVaults/backupInstances/recoveryPoints`,
      properties: {
        objectType: "AzureBackupDiscreteRecoveryPoint",
        recoveryPointId: point.id,
        recoveryPointTime: point.time,
        recoveryPointType: "Discrete",
        recoveryPointState: point.warnings > 0 || point.damage !== undefined ? "Partial" : "Completed",
        friendlyName: point.id,
        policyName: point.policy,
        retentionTagName: point.tag,
        ...present({ expiryTime }),
        recoveryPointDataStoresDetails: [
          {
            id: deriveUuid("data-store", point.id),
            type: "VaultStore",
            creationTime: point.sealedAt,
            ...present({ expiryTime }),
            state: "COMMITTED",
            visible: true,
            metaData: JSON.stringify({
              sequence: point.sequence,
              containers: point.containers,
              entries: point.entries,
              bytes: point.bytes,
              warnings: point.warnings,
              ...present({ damage: point.damage }),
              job: point.job,
            }),
          },
        ],
      },
    };
  };
}
