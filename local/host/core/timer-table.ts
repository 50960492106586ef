import type { TableClient } from "@azure/data-tables";
import { statusOf } from "./storage-error.ts";
import type { TimerStatuses } from "./timer.ts";

/** The table of timer statuses: one row a timer, in the partition of its task hub. */
export const TIMER_TABLE = "HostTimers";

/** Keeps timer statuses in a table, which is created where it is missing. */
export async function openTimerTable(table: TableClient, hubName: string): Promise<TimerStatuses> {
  await table.createTable();
  return {
    read: async (functionName) => {
      try {
        const row = await table.getEntity<{ last?: Date; next: Date; lastUpdated: Date }>(hubName, functionName);
        const { last, next, lastUpdated } = row;
        return { ...(last !== undefined && { last }), next, lastUpdated };
      } catch (error) {
        if (statusOf(error) === 404) return undefined;
        throw error;
      }
    },
    write: async (functionName, status) => {
      await table.upsertEntity({ partitionKey: hubName, rowKey: functionName, ...status }, "Replace");
    },
  };
}
