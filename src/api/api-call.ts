/**
 * @module
 * An HTTP call as plain data, and the context of its handler. No host and no SDK types: the host's types are converted
 * at its edge, and tests write them as literals.
 */
import type { AccessSettings } from "../access/decide-access.ts";
import type { Alert } from "../alerts/alert.ts";
import type { Clock } from "../foundation/clock.ts";
import type { RecordTable } from "../foundation/records.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import type { DatasourceClaim } from "../instances/claim-datasource.ts";
import type { ProtectionFiles } from "../instances/protection-files.ts";
import type { RecoveryPoint } from "../instances/recovery-point.ts";
import type { Schedule } from "../instances/schedules.ts";
import type { StorageAccounts } from "../instances/storage-accounts.ts";
import type { VaultRecord } from "../instances/vault-record.ts";
import type { Job } from "../jobs/job.ts";
import type { InstanceLock } from "../jobs/job-lock.ts";
import type { JobRef } from "../jobs/job-ref.ts";
import type { Orchestrations } from "../jobs/orchestrations.ts";
import type { Pin } from "../jobs/pins.ts";
import type { WorkRecord } from "../jobs/work.ts";
import type { PolicyRecord } from "../policies/policy-record.ts";
import type { Rebuild } from "../rebuild/rebuild-request.ts";
import type { ScrubState } from "../scrub/scrub-state.ts";
import type { VaultFiles } from "../vault/vault-files.ts";
import type { HealthProblem } from "./health-problem.ts";
import type { Operation } from "./operation.ts";

export interface ApiRequest {
  readonly method: string;
  /** As received by the host; the URL of the original request to a proxy is in the headers. */
  readonly url: URL;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /**
   * Reads the whole body; call it at most once.
   *
   * @throws VaultError `request/too-large` when it has more than `maxBytes` bytes, `request/incomplete` when it does
   *   not end
   */
  body(maxBytes: number): Promise<string>;
}

export interface ApiResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent as JSON; absent: no body. */
  readonly body?: unknown;
}

/** The tables that the API reads and writes; each schema documents its keys. */
export interface ApiTables {
  readonly vaults: RecordTable<VaultRecord>;
  readonly policies: RecordTable<PolicyRecord>;
  readonly instances: RecordTable<BackupInstance>;
  readonly schedules: RecordTable<Schedule>;
  readonly claims: RecordTable<DatasourceClaim>;
  readonly recoveryPoints: RecordTable<RecoveryPoint>;
  readonly jobs: RecordTable<Job>;
  readonly jobOrder: RecordTable<JobRef>;
  readonly openJobs: RecordTable<JobRef>;
  readonly locks: RecordTable<InstanceLock>;
  readonly pins: RecordTable<Pin>;
  readonly work: RecordTable<WorkRecord>;
  readonly scrubs: RecordTable<ScrubState>;
  readonly alerts: RecordTable<Alert>;
  readonly operations: RecordTable<Operation>;
}

export interface ApiSettings {
  readonly access: AccessSettings;
  /** Retry-After between two polls of an operation, seconds; an integer, 0 or more. */
  readonly retryAfterSeconds: number;
  /** Max chosen containers of one backup instance. */
  readonly maxContainers: number;
}

export const DEFAULT_RETRY_AFTER_SECONDS = 10;
/** Azure's own limit. */
export const DEFAULT_MAX_CONTAINERS = 100;

export interface ApiDeps {
  readonly tables: ApiTables;
  readonly accounts: StorageAccounts;
  readonly files: ProtectionFiles;
  /** The files of one instance in the vault account. */
  readonly vault: (instanceId: string) => Pick<VaultFiles, "list" | "read">;
  readonly orchestrations: Orchestrations;
  /** Rebuilds rows from the vault account. */
  readonly rebuild: Rebuild;
  /** Checks what prevents the app from working. */
  readonly findProblems: () => Promise<readonly HealthProblem[]>;
  readonly clock: Clock;
  /** Returns a new UUID per call. */
  readonly newId: () => string;
  readonly settings: ApiSettings;
  /** Logs every failure that the caller cannot fix; the response has only the request id. */
  readonly logFailure: (details: FailedCall) => void;
}

export interface FailedCall {
  readonly requestId: string;
  readonly method: string;
  readonly path: string;
  readonly error: unknown;
}

/** A call with checked path, api-version and path parameters. */
export interface ApiCall<Params = unknown> {
  readonly deps: ApiDeps;
  readonly params: Params;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string>>;
  /** Empty for paths without parameters. */
  readonly apiVersion: string;
  /** Scheme and host of the caller's request, without a slash at the end. */
  readonly baseUrl: string;
  /** Path of the call, unchanged. */
  readonly path: string;
  /**
   * Reads the body as JSON.
   *
   * @param whenEmpty - default for a missing body, on paths that need none
   * @throws VaultError `request/too-large`, `request/invalid`
   */
  json(whenEmpty?: unknown): Promise<unknown>;
}

export type Handler<Params> = (call: ApiCall<Params>) => Promise<ApiResponse>;

export interface SubscriptionPath {
  readonly subscription: string;
}
export interface GroupPath extends SubscriptionPath {
  readonly group: string;
}
export interface VaultPath extends GroupPath {
  readonly vault: string;
}
export interface PolicyPath extends VaultPath {
  readonly policy: string;
}
export interface InstancePath extends VaultPath {
  readonly instance: string;
}

/** Nothing was done, and there is nothing to return. */
export const NO_CONTENT: ApiResponse = { status: 204, headers: {} };

export function ok(body: unknown): ApiResponse {
  return { status: 200, headers: {}, body };
}
