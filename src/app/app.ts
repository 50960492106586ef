/**
 * @module
 * Composition: takes settings, returns capabilities with their adapters. Everything is created on first use, so that
 * the app loads fast and the first function that runs reports wrong settings.
 */
import { randomUUID } from "node:crypto";
import { Alert } from "../alerts/alert.ts";
import type { ApiTables } from "../api/api-call.ts";
import type { HealthProblem } from "../api/health-problem.ts";
import { Operation } from "../api/operation.ts";
import { Accounts } from "../azure/accounts.ts";
import { BlobAccount } from "../azure/blob-account.ts";
import { BlobDatasource } from "../azure/blob-datasource.ts";
import { BlobProtectionFiles } from "../azure/blob-protection-files.ts";
import { BlobRestoreTarget } from "../azure/blob-restore-target.ts";
import { BlobScrubVault } from "../azure/blob-scrub-vault.ts";
import { BlobStorageAccounts } from "../azure/blob-storage-accounts.ts";
import { BlobBackupVault, BlobVaultFiles } from "../azure/blob-vault.ts";
import { BlobVaultAccount } from "../azure/blob-vault-account.ts";
import { appCredential } from "../azure/credential.ts";
import { StateQueues } from "../azure/state-queues.ts";
import { StateTables } from "../azure/state-tables.ts";
import type { BackupVault } from "../backup/backup-vault.ts";
import { PLAN_SETTINGS, type PlanSettings } from "../backup/cut-container.ts";
import type { Datasource } from "../backup/datasource.ts";
import { segmentSizesOf } from "../backup/manifest-writer.ts";
import { CONTAINER_COPY_QUEUE } from "../backup/messages.ts";
import { RANGE_SETTINGS, type RangeSettings } from "../backup/range-settings.ts";
import { Attempt } from "../debris/attempts.ts";
import { AdaptivePool } from "../foundation/adaptive-pool.ts";
import type { Clock } from "../foundation/clock.ts";
import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import type { RecordTable } from "../foundation/records.ts";
import { BackupInstance } from "../instances/backup-instance.ts";
import { DatasourceClaim } from "../instances/claim-datasource.ts";
import type { ProtectionFiles } from "../instances/protection-files.ts";
import { RecoveryPoint } from "../instances/recovery-point.ts";
import { Schedule } from "../instances/schedules.ts";
import type { StorageAccounts } from "../instances/storage-accounts.ts";
import { VaultRecord } from "../instances/vault-record.ts";
import { findVault, isImmutable } from "../instances/vault-settings.ts";
import { Job, type RestoreRequest } from "../jobs/job.ts";
import { InstanceLock } from "../jobs/job-lock.ts";
import { JobRef } from "../jobs/job-ref.ts";
import { Pin } from "../jobs/pins.ts";
import { WorkRecord } from "../jobs/work.ts";
import { PolicyRecord } from "../policies/policy-record.ts";
import type { Rebuild } from "../rebuild/rebuild-request.ts";
import { rebuildRows } from "../rebuild/rebuild-rows.ts";
import { RESTORE_SETTINGS, type RestoreSettings } from "../restore/restore-segment.ts";
import type { RestoreTarget } from "../restore/restore-target.ts";
import type { ScrubSettings } from "../scrub/scrub-settings.ts";
import { ScrubState } from "../scrub/scrub-state.ts";
import type { ScrubVault } from "../scrub/scrub-vault.ts";
import { ManifestCache } from "../vault/manifest-cache.ts";
import type { SweepableVault, VaultFiles } from "../vault/vault-files.ts";
import { type AccountSetting, type Config, readConfig } from "./config.ts";
import { type HealthCheck, problemFinder } from "./find-problems.ts";
import { isStopping } from "./stopping.ts";

/** All dependencies of the capabilities; each takes those in its own `Deps`. */
export interface App extends ApiTables {
  readonly config: Config;
  /** Undefined when the address of the queues is unknown. */
  readonly queues: StateQueues | undefined;
  readonly findProblems: () => Promise<readonly HealthProblem[]>;
  readonly clock: Clock;
  /** Returns a new UUID per call. */
  readonly newId: () => string;
  readonly accounts: StorageAccounts;
  readonly files: ProtectionFiles;
  readonly rebuild: Rebuild;
  readonly datasource: (instance: BackupInstance) => Datasource;
  readonly vault: (instanceId: string) => VaultFiles;
  readonly backupVault: (instance: BackupInstance) => BackupVault;
  readonly target: (request: RestoreRequest, instanceId: string) => RestoreTarget;
  readonly sweepableVault: (instanceId: string) => SweepableVault;
  readonly scrubVault: (instanceId: string) => ScrubVault;
  readonly isImmutable: (instance: BackupInstance) => Promise<boolean>;
  readonly scrubSettings: ScrubSettings;
  readonly attempts: RecordTable<Attempt>;
  readonly manifests: ManifestCache;
  /** Pool of copies from or to one account, shared by this process. */
  readonly pool: (account: string) => AdaptivePool;
  readonly planSettings: PlanSettings;
  readonly rangeSettings: RangeSettings;
  readonly restoreSettings: RestoreSettings;
  readonly isStopping: () => boolean;
}

let made: App | undefined;

/**
 * The app of this process.
 *
 * @throws Error that lists every wrong setting
 */
export function app(): App {
  made ??= composeApp(readConfig(process.env), () => new Date());
  return made;
}

export function composeApp(config: Config, clock: Clock): App {
  const credential = appCredential(config.clientId);
  const accounts = new Accounts(
    config.accounts.size > 0
      ? { kind: "listed", connectionStrings: config.accounts }
      : { kind: "identity", credential, endpointSuffix: config.endpointSuffix },
    clock,
  );
  const vaultAccount = new BlobAccount(
    config.vault.kind === "key"
      ? config.vault
      : { kind: "identity", blobServiceUri: config.vault.serviceUri, credential },
    clock,
  );
  const tables = openTables(config.state, credential);
  const queues = openQueues(config.stateQueues, credential);
  return {
    ...tables,
    config,
    queues,
    findProblems: problemFinder(
      config.hostName === undefined ? [NO_HOST_NAME] : [],
      healthChecks(tables, queues, new BlobVaultAccount(vaultAccount)),
      clock,
    ),
    clock,
    newId: randomUUID,
    accounts: new BlobStorageAccounts(accounts),
    files: new BlobProtectionFiles(vaultAccount),
    rebuild: (request) => rebuildRows({ ...tables, vaultAccount: new BlobVaultAccount(vaultAccount), clock }, request),
    datasource: ({ datasource }) => new BlobDatasource(accounts.find(datasource.account), datasource.kind),
    vault: (instanceId) => new BlobVaultFiles(vaultAccount, instanceId),
    backupVault: ({ id, datasource }) =>
      new BlobBackupVault(vaultAccount, id, accounts.find(datasource.account), { tier: config.accessTier }),
    target: ({ target }, instanceId) =>
      new BlobRestoreTarget(findTarget(accounts, target.account), vaultAccount, instanceId),
    sweepableVault: (instanceId) => new BlobVaultFiles(vaultAccount, instanceId),
    scrubVault: (instanceId) => new BlobScrubVault(vaultAccount, instanceId),
    isImmutable: async ({ vaultArmId }) => isImmutable(await findVault(tables.vaults, vaultArmId)),
    scrubSettings: config.scrub,
    manifests: new ManifestCache(),
    pool: poolsOf(config.copyWidth, clock),
    planSettings: { ...PLAN_SETTINGS, rangeNames: config.rangeNames },
    rangeSettings: {
      ...RANGE_SETTINGS,
      budgetMs: config.pieceBudgetMs,
      maxNames: 2 * config.rangeNames,
      segmentSizes: segmentSizesOf(config.segmentEntries),
    },
    restoreSettings: { ...RESTORE_SETTINGS, budgetMs: config.pieceBudgetMs },
    isStopping,
  };
}

/** Health checks of the services that the app requires. */
function healthChecks(
  { vaults }: ApiTables,
  queues: StateQueues | undefined,
  vaultAccount: BlobVaultAccount,
): HealthCheck[] {
  return [
    { part: "tables of the state account", check: () => vaults.get("health", "health") },
    ...(queues === undefined
      ? []
      : [{ part: "queues of the state account", check: () => queues.check(CONTAINER_COPY_QUEUE) }]),
    { part: "vault account", check: () => vaultAccount.containers("health-").next() },
  ];
}

/**
 * Azure and every host set it; without it the Durable extension has no webhooks, and so the app has no durable client.
 */
const NO_HOST_NAME: HealthProblem = { part: "durable client", reason: "WEBSITE_HOSTNAME is not set" };

/** Max time for retries of one copy while an account throttles: much less than the timeout of a function. */
const POOL_RETRY_FOR_MS = 120_000;

function poolsOf(widest: number, clock: Clock): App["pool"] {
  const pools = new Map<string, AdaptivePool>();
  return (account) => {
    const pool =
      pools.get(account) ??
      new AdaptivePool(
        { widest, retryForMs: POOL_RETRY_FOR_MS },
        { clock, sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)), random: Math.random },
      );
    pools.set(account, pool);
    return pool;
  };
}

function findTarget(accounts: Accounts, name: string): BlobAccount {
  try {
    return accounts.find(name);
  } catch (error) {
    if (!(error instanceof VaultError)) throw error;
    throw new VaultError("restore/target-account-unknown", error.message, {
      ...present({ hint: error.hint }),
      cause: error,
    });
  }
}

function openQueues(
  setting: AccountSetting | undefined,
  credential: ReturnType<typeof appCredential>,
): StateQueues | undefined {
  if (setting === undefined) return undefined;
  if (setting.kind === "key") return new StateQueues(setting);
  return new StateQueues({ kind: "identity", queueServiceUri: setting.serviceUri, credential });
}

function openTables(
  setting: AccountSetting,
  credential: ReturnType<typeof appCredential>,
): ApiTables & Pick<App, "attempts"> {
  const tables = new StateTables(
    setting.kind === "key" ? setting : { kind: "identity", tableServiceUri: setting.serviceUri, credential },
  );
  return {
    vaults: tables.open("Vaults", VaultRecord),
    policies: tables.open("Policies", PolicyRecord),
    instances: tables.open("Instances", BackupInstance),
    schedules: tables.open("Schedules", Schedule),
    recoveryPoints: tables.open("RecoveryPoints", RecoveryPoint),
    jobs: tables.open("Jobs", Job),
    jobOrder: tables.open("JobOrder", JobRef),
    openJobs: tables.open("OpenJobs", JobRef),
    claims: tables.open("Datasources", DatasourceClaim),
    locks: tables.open("Locks", InstanceLock),
    attempts: tables.open("Attempts", Attempt),
    pins: tables.open("Pins", Pin),
    work: tables.open("Work", WorkRecord),
    scrubs: tables.open("Scrubs", ScrubState),
    alerts: tables.open("Alerts", Alert),
    operations: tables.open("Operations", Operation),
  };
}
