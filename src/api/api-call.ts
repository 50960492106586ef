/**
 * @module
 * An HTTP call as plain data, and what a handler of one knows. No host and no SDK: a host's types are turned into these
 * at its edge, and tests write them down.
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
  /** As the host was asked; what a proxy in front was asked is in the headers. */
  readonly url: URL;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /**
   * Reads the whole body; called once at most.
   *
   * @throws VaultError `request/too-large` when it has more than `maxBytes` bytes, `request/incomplete` when it does not end
   */
  body(maxBytes: number): Promise<string>;
}

export interface ApiResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** To be sent as JSON; absent: no body. */
  readonly body?: unknown;
}

/** The tables that the API reads and writes; keys are told at each schema. */
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
  /** Seconds that a client is asked to wait between two looks at an operation; an integer, 0 or more. */
  readonly retryAfterSeconds: number;
  /** Chosen containers of one backup instance at most. */
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
  /** Makes rows again from the vault account. */
  readonly rebuild: Rebuild;
  /** Looks what keeps the app from its work. */
  readonly findProblems: () => Promise<readonly HealthProblem[]>;
  readonly clock: Clock;
  /** A new UUID at each call. */
  readonly newId: () => string;
  readonly settings: ApiSettings;
  /** Told of every failure that the caller cannot mend; the caller is told the request id only. */
  readonly logFailure: (details: FailedCall) => void;
}

export interface FailedCall {
  readonly requestId: string;
  readonly method: string;
  readonly path: string;
  readonly error: unknown;
}

/** A call whose path, api-version and path parameters have been checked. */
export interface ApiCall<Params = unknown> {
  readonly deps: ApiDeps;
  readonly params: Params;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string>>;
  /** Empty on paths that have none. */
  readonly apiVersion: string;
  /** Scheme and host by which the caller reached the API, without a slash at the end. */
  readonly baseUrl: string;
  /** Path of the call, as it came. */
  readonly path: string;
  /**
   * Reads the body as JSON.
   *
   * @param whenEmpty - what stands for a body that is not there, on paths that need none
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

/** There is nothing to do, and nothing to tell. */
export const NO_CONTENT: ApiResponse = { status: 204, headers: {} };

export function ok(body: unknown): ApiResponse {
  return { status: 200, headers: {}, body };
}
