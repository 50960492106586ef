/**
 * @module
 * The HTTP API over in-memory tables, storage accounts and orchestrations: everything from a request to a started job,
 * with a controllable clock and ids.
 */
import {
  type ApiDeps,
  type ApiRequest,
  type ApiResponse,
  type ApiSettings,
  type ApiTables,
  DEFAULT_MAX_CONTAINERS,
  DEFAULT_RETRY_AFTER_SECONDS,
  type FailedCall,
} from "../../src/api/api-call.ts";
import { handleArmRequest } from "../../src/api/arm-router.ts";
import type { HealthProblem } from "../../src/api/health-problem.ts";
import { VaultError } from "../../src/foundation/errors.ts";
import type { StorageAccounts } from "../../src/instances/storage-accounts.ts";
import type { Orchestrations } from "../../src/jobs/orchestrations.ts";
import { rebuildRows } from "../../src/rebuild/rebuild-rows.ts";
import type { DatasourceKind } from "../../src/vault/instance-document.ts";
import { vaultContainerName } from "../../src/vault/names.ts";
import { MemoryProtectionFiles } from "./memory-protection-files.ts";
import { MemoryRecords } from "./memory-records.ts";

export const SUBSCRIPTION = "0b352192-dcac-4cc7-992e-a96190ccc68c";
export const GROUP_ID = `/subscriptions/${SUBSCRIPTION}/resourceGroups/lakes`;
export const VAULT_ID = `${GROUP_ID}/providers/Microsoft.DataProtection/backupVaults/vault1`;
export const POLICY_ID = `${VAULT_ID}/backupPolicies/daily`;
export const INSTANCE_ID = `${VAULT_ID}/backupInstances/prodlake-prodlake-1`;
export const API_VERSION = "2026-06-01";

export function accountId(account: string): string {
  return `${GROUP_ID}/providers/Microsoft.Storage/storageAccounts/${account}`;
}

/** Storage accounts by name, each with its containers. */
export class MemoryStorageAccounts implements StorageAccounts {
  readonly containers = new Map<string, string[]>();
  /** Kinds of the accounts that report it. */
  readonly kinds = new Map<string, DatasourceKind>();

  async containerExists(account: string, container: string): Promise<boolean> {
    return this.#of(account).includes(container);
  }

  async listContainers(account: string): Promise<string[]> {
    return [...this.#of(account)].sort();
  }

  async kindOf(account: string): Promise<DatasourceKind | undefined> {
    return this.kinds.get(account);
  }

  #of(account: string): string[] {
    const containers = this.containers.get(account);
    if (containers === undefined) {
      throw new VaultError("datasource/account-unknown", `storage account '${account}' was not found`);
    }
    return containers;
  }
}

/** Records starts and events; nothing runs, and a test decides when something ends. */
export class MemoryOrchestrations implements Orchestrations {
  readonly started: { readonly name: string; readonly id: string; readonly input: unknown }[] = [];
  readonly ended = new Map<string, "ended" | "failed">();
  readonly raised: { readonly id: string; readonly event: string; readonly value: unknown }[] = [];

  async startOnce(name: string, id: string, input: unknown): Promise<void> {
    if (this.started.every((other) => other.id !== id)) this.started.push({ name, id, input });
  }

  async raise(id: string, event: string, value: unknown): Promise<void> {
    this.raised.push({ id, event, value });
  }

  async terminate(id: string): Promise<void> {
    if (!this.ended.has(id)) this.ended.set(id, "failed");
  }

  async state(id: string): Promise<"running" | "ended" | "failed" | undefined> {
    return this.ended.get(id) ?? (this.started.some((other) => other.id === id) ? "running" : undefined);
  }
}

type MemoryTables = { [Name in keyof ApiTables]: ApiTables[Name] extends infer Table ? MemoryTable<Table> : never };
type MemoryTable<Table> = Table extends { put(partition: string, row: string, value: infer T): Promise<void> }
  ? MemoryRecords<T>
  : never;

export interface CallOptions {
  /** Sent as JSON; a string is sent as it is. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  /** URL base of the request. */
  readonly origin?: string;
  /** Dependencies; absent: the app's own. */
  readonly deps?: ApiDeps;
}

/** A new app with its own vault account: `prodlake` (containers `raw`, `curated`) and the empty `restored`. */
export class MemoryApp {
  readonly tables: MemoryTables = {
    vaults: new MemoryRecords(),
    policies: new MemoryRecords(),
    instances: new MemoryRecords(),
    schedules: new MemoryRecords(),
    recoveryPoints: new MemoryRecords(),
    jobs: new MemoryRecords(),
    jobOrder: new MemoryRecords(),
    openJobs: new MemoryRecords(),
    claims: new MemoryRecords(),
    locks: new MemoryRecords(),
    pins: new MemoryRecords(),
    work: new MemoryRecords(),
    scrubs: new MemoryRecords(),
    alerts: new MemoryRecords(),
    operations: new MemoryRecords(),
  };
  readonly accounts = new MemoryStorageAccounts();
  readonly files = new MemoryProtectionFiles();
  readonly orchestrations = new MemoryOrchestrations();
  /** Result of the health check. */
  problems: readonly HealthProblem[] = [];
  readonly failedCalls: FailedCall[] = [];
  settings: ApiSettings = {
    access: { mode: "development", runsInAzure: false },
    retryAfterSeconds: DEFAULT_RETRY_AFTER_SECONDS,
    maxContainers: DEFAULT_MAX_CONTAINERS,
  };
  now = new Date("2026-03-02T10:00:00.000Z");
  #ids = 0;

  constructor() {
    this.accounts.containers.set("prodlake", ["raw", "curated"]);
    this.accounts.containers.set("restored", []);
  }

  get deps(): ApiDeps {
    const { tables, accounts, files, orchestrations, settings } = this;
    return {
      tables,
      accounts,
      files,
      vault: (id) => files.vaultAccount.files(vaultContainerName(id)),
      orchestrations,
      rebuild: (request) =>
        rebuildRows({ ...tables, vaultAccount: files.vaultAccount, clock: () => this.now }, request),
      findProblems: async () => this.problems,
      settings,
      clock: () => this.now,
      newId: () => {
        this.#ids += 1;
        return `00000000-0000-4000-8000-${String(this.#ids).padStart(12, "0")}`;
      },
      logFailure: (failed) => this.failedCalls.push(failed),
    };
  }

  /** Number of writes to tables and to the vault so far, and of started jobs. */
  get effects(): number {
    const writes = Object.values(this.tables).reduce((sum, table) => sum + table.writes, 0);
    return writes + this.files.writes + this.orchestrations.started.length;
  }

  /** @param path - with or without a query; `api-version` is added where there is none */
  async call(method: string, path: string, options: CallOptions = {}): Promise<ApiResponse> {
    const url = new URL(path, options.origin ?? "http://localhost:7071");
    for (const [name, value] of Object.entries(options.query ?? {})) url.searchParams.set(name, value);
    if (!url.searchParams.has("api-version")) url.searchParams.set("api-version", API_VERSION);
    const request = {
      method,
      url,
      headers: options.headers ?? {},
      body: async () =>
        typeof options.body === "string"
          ? options.body
          : options.body === undefined
            ? ""
            : JSON.stringify(options.body),
    };
    return await this.send(request, options.deps);
  }

  /** The response as a client sees it: without undefined members. */
  async send(request: ApiRequest, deps = this.deps): Promise<ApiResponse> {
    return JSON.parse(JSON.stringify(await handleArmRequest(deps, request))) as ApiResponse;
  }

  /** Creates the vault `vault1`, the policy `daily` and the instance `prodlake-prodlake-1`, like a client. */
  async protect(): Promise<void> {
    for (const [path, body] of [
      [VAULT_ID, vaultBody()],
      [POLICY_ID, policyBody()],
      [INSTANCE_ID, instanceBody()],
    ] as const) {
      const { status, body: answer } = await this.call("PUT", path, { body });
      if (status >= 300) throw new Error(`PUT ${path}: ${status} ${JSON.stringify(answer)}`);
    }
  }
}

export function vaultBody(): object {
  return {
    location: "westeurope",
    tags: { team: "lakes" },
    properties: { storageSettings: [{ datastoreType: "VaultStore", type: "LocallyRedundant" }] },
  };
}

export interface PolicyOptions {
  readonly intervals?: readonly string[];
  readonly timeZone?: string;
  readonly keep?: string;
  readonly datasourceType?: string;
}

export function policyBody({
  intervals = ["R/2026-01-01T02:00:00+00:00/P1D"],
  timeZone = "UTC",
  keep = "P30D",
  datasourceType = "Microsoft.Storage/storageAccounts/blobServices",
}: PolicyOptions = {}): object {
  const vaultStore = { objectType: "DataStoreInfoBase", dataStoreType: "VaultStore" };
  return {
    properties: {
      objectType: "BackupPolicy",
      datasourceTypes: [datasourceType],
      policyRules: [
        {
          name: "BackupDaily",
          objectType: "AzureBackupRule",
          backupParameters: { objectType: "AzureBackupParams", backupType: "Discrete" },
          dataStore: vaultStore,
          trigger: {
            objectType: "ScheduleBasedTriggerContext",
            schedule: { repeatingTimeIntervals: intervals, timeZone },
            taggingCriteria: [
              { isDefault: true, taggingPriority: 99, tagInfo: { id: "Default_", tagName: "Default" } },
            ],
          },
        },
        {
          name: "Default",
          objectType: "AzureRetentionRule",
          isDefault: true,
          lifecycles: [
            {
              deleteAfter: { objectType: "AbsoluteDeleteOption", duration: keep },
              sourceDataStore: vaultStore,
              targetDataStoreCopySettings: [],
            },
          ],
        },
      ],
    },
  };
}

export interface InstanceOptions {
  readonly account?: string;
  readonly containers?: readonly string[];
  readonly policyId?: string;
  readonly datasourceType?: string;
}

export function instanceBody({
  account = "prodlake",
  containers = ["raw", "curated"],
  policyId = POLICY_ID,
  datasourceType = "Microsoft.Storage/storageAccounts/blobServices",
}: InstanceOptions = {}): { readonly properties: object } {
  const datasource = {
    datasourceType,
    resourceID: accountId(account),
    resourceName: account,
    resourceLocation: "westeurope",
    resourceType: "Microsoft.Storage/storageAccounts",
    resourceUri: accountId(account),
  };
  return {
    properties: {
      objectType: "BackupInstance",
      friendlyName: account,
      dataSourceInfo: { objectType: "Datasource", ...datasource },
      dataSourceSetInfo: { objectType: "DatasourceSet", ...datasource },
      policyInfo: {
        policyId,
        policyParameters: {
          backupDatasourceParametersList: [
            { objectType: "BlobBackupDatasourceParameters", containersList: containers },
          ],
        },
      },
    },
  };
}

export const BACKUP_BODY = {
  backupRuleOptions: { ruleName: "BackupDaily", triggerOption: { retentionTagOverride: "" } },
} as const;

export interface RestoreOptions {
  readonly recoveryPoint: string;
  readonly account?: string;
  /** Absent: the whole account. */
  readonly containers?: readonly string[];
}

export function restoreBody({ recoveryPoint, account = "restored", containers }: RestoreOptions) {
  return {
    objectType: "AzureBackupRecoveryPointBasedRestoreRequest",
    recoveryPointId: recoveryPoint,
    sourceDataStoreType: "VaultStore",
    sourceResourceId: accountId("prodlake"),
    restoreTargetInfo: {
      objectType: containers === undefined ? "RestoreTargetInfo" : "ItemLevelRestoreTargetInfo",
      recoveryOption: "FailIfExists",
      restoreLocation: "westeurope",
      datasourceInfo: {
        objectType: "Datasource",
        datasourceType: "Microsoft.Storage/storageAccounts/blobServices",
        resourceID: accountId(account),
        resourceName: account,
      },
      ...(containers === undefined
        ? {}
        : {
            restoreCriteria: containers.map((itemPath) => ({
              objectType: "ItemPathBasedRestoreCriteria",
              itemPath,
              isPathRelativeToBackupItem: true,
            })),
          }),
    },
  };
}
