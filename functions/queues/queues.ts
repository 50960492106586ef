import { output, type StorageQueueOutput } from "@azure/functions";
import { CONTAINER_COPY_QUEUE, CONTAINER_PLANS_QUEUE, MARKER_CHECKS_QUEUE } from "../../src/backup/messages.ts";
import { CONTAINER_RESTORE_PLANS_QUEUE, CONTAINER_RESTORE_QUEUE } from "../../src/restore/messages.ts";

/** The setting with the account of queues and tables. */
export const CONNECTION = "VaultState";

export const poisonOf = (queueName: string): string => `${queueName}-poison`;

/** Every queue with a function; each has a poison queue. */
export const QUEUES: readonly string[] = [
  CONTAINER_PLANS_QUEUE,
  CONTAINER_COPY_QUEUE,
  MARKER_CHECKS_QUEUE,
  CONTAINER_RESTORE_PLANS_QUEUE,
  CONTAINER_RESTORE_QUEUE,
];

const to = (queueName: string): StorageQueueOutput => output.storageQueue({ queueName, connection: CONNECTION });

export const toContainerPlans = to(CONTAINER_PLANS_QUEUE);
export const toContainerCopy = to(CONTAINER_COPY_QUEUE);
export const toMarkerChecks = to(MARKER_CHECKS_QUEUE);
export const toContainerRestorePlans = to(CONTAINER_RESTORE_PLANS_QUEUE);
export const toContainerRestore = to(CONTAINER_RESTORE_QUEUE);
