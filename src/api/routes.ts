import { type ApiResponse, type Handler, ok } from "./api-call.ts";
import { PROVIDER } from "./arm-ids.ts";
import type { ParamsOf } from "./path-template.ts";
import { triggerBackup } from "./serve-backup.ts";
import { getHealth } from "./serve-health.ts";
import {
  getInstance,
  listInstances,
  putInstance,
  validateForBackup,
  validateForModifyBackup,
} from "./serve-instances.ts";
import { getJob, listJobs, triggerCancel } from "./serve-jobs.ts";
import { getOperationResult, getOperationStatus } from "./serve-operations.ts";
import { deletePolicy, getPolicy, listPolicies, putPolicy } from "./serve-policies.ts";
import {
  deleteInstance,
  getDeletedInstance,
  listDeletedInstances,
  resumeBackups,
  resumeProtection,
  stopProtection,
  suspendBackups,
  undeleteInstance,
} from "./serve-protection.ts";
import { rebuildVault } from "./serve-rebuild.ts";
import { getRecoveryPoint, listRecoveryPoints } from "./serve-recovery-points.ts";
import { triggerRestore, validateRestore } from "./serve-restore.ts";
import { triggerRetention } from "./serve-retention.ts";
import { getSchedule } from "./serve-schedule.ts";
import { listAlerts, triggerScrub } from "./serve-scrub.ts";
import {
  deleteVault,
  getVault,
  listVaultsInGroup,
  listVaultsInSubscription,
  patchVault,
  putVault,
} from "./serve-vaults.ts";

export type Method = "GET" | "PUT" | "POST" | "PATCH" | "DELETE";

export interface Route {
  readonly template: string;
  /** Handlers take the parameters of the template, which `route` has checked. */
  readonly methods: { readonly [M in Method]?: Handler<never> };
}

function route<const T extends string>(template: T, methods: { readonly [M in Method]?: Handler<ParamsOf<T>> }): Route {
  return { template, methods };
}

const SUBSCRIPTION = `/subscriptions/{subscription}/providers/${PROVIDER}` as const;
const LOCATION = `${SUBSCRIPTION}/locations/{location}` as const;
const GROUP = `/subscriptions/{subscription}/resourceGroups/{group}/providers/${PROVIDER}` as const;
const VAULT = `${GROUP}/backupVaults/{vault}` as const;
const INSTANCE = `${VAULT}/backupInstances/{instance}` as const;

/** Public, and without an api-version. */
export const HEALTH_PATH = "/api/health";

/** Prefix of paths that Azure does not have; they need no api-version. */
export const OWN_ROOT = "/api";

/** All paths of the API. */
export const ROUTES: readonly Route[] = [
  route(HEALTH_PATH, { GET: getHealth }),

  route(`/providers/${PROVIDER}/operations`, { GET: listProviderOperations }),

  route(`${SUBSCRIPTION}/backupVaults`, { GET: listVaultsInSubscription }),
  route(`${GROUP}/backupVaults`, { GET: listVaultsInGroup }),
  route(VAULT, { GET: getVault, PUT: putVault, PATCH: patchVault, DELETE: deleteVault }),

  route(`${VAULT}/backupPolicies`, { GET: listPolicies }),
  route(`${VAULT}/backupPolicies/{policy}`, { GET: getPolicy, PUT: putPolicy, DELETE: deletePolicy }),

  route(`${VAULT}/validateForBackup`, { POST: validateForBackup }),
  route(`${VAULT}/backupInstances`, { GET: listInstances }),
  route(INSTANCE, { GET: getInstance, PUT: putInstance, DELETE: deleteInstance }),
  route(`${INSTANCE}/validateForModifyBackup`, { POST: validateForModifyBackup }),
  route(`${INSTANCE}/stopProtection`, { POST: stopProtection }),
  route(`${INSTANCE}/suspendBackups`, { POST: suspendBackups }),
  route(`${INSTANCE}/resumeBackups`, { POST: resumeBackups }),
  route(`${INSTANCE}/resumeProtection`, { POST: resumeProtection }),
  route(`${VAULT}/deletedBackupInstances`, { GET: listDeletedInstances }),
  route(`${VAULT}/deletedBackupInstances/{instance}`, { GET: getDeletedInstance }),
  route(`${VAULT}/deletedBackupInstances/{instance}/undelete`, { POST: undeleteInstance }),
  route(`${INSTANCE}/backup`, { POST: triggerBackup }),
  route(`${INSTANCE}/validateRestore`, { POST: validateRestore }),
  route(`${INSTANCE}/restore`, { POST: triggerRestore }),
  route(`${INSTANCE}/recoveryPoints`, { GET: listRecoveryPoints }),
  route(`${INSTANCE}/recoveryPoints/{recoveryPoint}`, { GET: getRecoveryPoint }),

  route(`${VAULT}/backupJobs`, { GET: listJobs }),
  route(`${VAULT}/backupJobs/{job}`, { GET: getJob }),
  route(`${VAULT}/backupJobs/{job}/cancel`, { POST: triggerCancel }),

  route(`${LOCATION}/operationStatus/{operation}`, { GET: getOperationStatus }),
  route(`${GROUP}/operationStatus/{operation}`, { GET: getOperationStatus }),
  route(`${VAULT}/operationStatus/{operation}`, { GET: getOperationStatus }),
  route(`${LOCATION}/operationResults/{operation}`, { GET: getOperationResult }),
  route(`${VAULT}/operationResults/{operation}`, { GET: getOperationResult }),
  route(`${INSTANCE}/operationResults/{operation}`, { GET: getOperationResult }),

  route(`${OWN_ROOT}${VAULT}/rebuild`, { POST: rebuildVault }),
  route(`${OWN_ROOT}${VAULT}/alerts`, { GET: listAlerts }),
  route(`${OWN_ROOT}${INSTANCE}/schedule`, { GET: getSchedule }),
  route(`${OWN_ROOT}${INSTANCE}/retention`, { POST: triggerRetention }),
  route(`${OWN_ROOT}${INSTANCE}/scrub`, { POST: triggerScrub }),
];

/** Available operations, by the names that Azure roles use. */
const PROVIDER_OPERATIONS = [
  ["backupVaults/read", "Backup vault", "Gets or lists backup vaults"],
  ["backupVaults/write", "Backup vault", "Creates or changes a backup vault"],
  ["backupVaults/delete", "Backup vault", "Deletes a backup vault"],
  ["backupVaults/validateForBackup/action", "Backup vault", "Checks whether a datasource can be protected"],
  ["backupVaults/backupPolicies/read", "Backup policy", "Gets or lists backup policies"],
  ["backupVaults/backupPolicies/write", "Backup policy", "Creates or changes a backup policy"],
  ["backupVaults/backupPolicies/delete", "Backup policy", "Deletes a backup policy"],
  ["backupVaults/backupInstances/read", "Backup instance", "Gets or lists backup instances"],
  ["backupVaults/backupInstances/write", "Backup instance", "Creates or changes a backup instance"],
  ["backupVaults/backupInstances/delete", "Backup instance", "Deletes a backup instance"],
  [
    "backupVaults/backupInstances/validateForModifyBackup/action",
    "Backup instance",
    "Checks whether it can be changed",
  ],
  ["backupVaults/backupInstances/stopProtection/action", "Backup instance", "Stops protection and keeps all data"],
  ["backupVaults/backupInstances/suspendBackups/action", "Backup instance", "Pauses scheduled backups"],
  ["backupVaults/backupInstances/resumeBackups/action", "Backup instance", "Resumes scheduled backups"],
  ["backupVaults/backupInstances/resumeProtection/action", "Backup instance", "Resumes stopped protection"],
  ["backupVaults/backupInstances/retention/action", "Backup instance", "Purges expired recovery points"],
  ["backupVaults/deletedBackupInstances/read", "Deleted backup instance", "Gets or lists deleted backup instances"],
  ["backupVaults/deletedBackupInstances/undelete/action", "Deleted backup instance", "Undeletes a backup instance"],
  ["backupVaults/backupInstances/schedule/read", "Backup instance", "Gets the slots of a backup instance"],
  ["backupVaults/backupInstances/scrub/action", "Backup instance", "Compares the vault with its manifests"],
  ["backupVaults/alerts/read", "Alert", "Lists alerts"],
  ["backupVaults/rebuild/action", "Backup vault", "Rebuilds the rows of a vault from its account"],
  ["backupVaults/backupInstances/backup/action", "Backup instance", "Starts a backup on demand"],
  ["backupVaults/backupInstances/validateRestore/action", "Backup instance", "Checks whether a restore can be done"],
  ["backupVaults/backupInstances/restore/action", "Backup instance", "Starts a restore"],
  ["backupVaults/backupInstances/recoveryPoints/read", "Recovery point", "Gets or lists recovery points"],
  ["backupVaults/backupJobs/read", "Job", "Gets or lists jobs"],
  ["backupVaults/backupJobs/cancel/action", "Job", "Cancels a job"],
  ["backupVaults/operationStatus/read", "Operation", "Gets the status of an operation"],
  ["backupVaults/operationResults/read", "Operation", "Gets the result of an operation"],
] as const;

async function listProviderOperations(): Promise<ApiResponse> {
  const value = PROVIDER_OPERATIONS.map(([name, resource, description]) => ({
    name: `${PROVIDER}/${name}`,
    isDataAction: false,
    display: { provider: "Lakevault", resource, operation: description, description },
  }));
  return ok({ value });
}
