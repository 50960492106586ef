import { PRICES } from "./assumptions.ts";
import type { Outcome } from "./simulate-backup.ts";

/** Cost of a backup, by item; US dollars. Without monthly storage and taxes. */
export interface Cost {
  readonly listing: number;
  readonly copying: number;
  readonly manifests: number;
  readonly state: number;
  readonly functions: number;
  readonly total: number;
}

/** Adds up the cost of a simulated backup's calls and of the app's own time. */
export function costOf({ calls, copied, gigabyteSeconds, executions }: Outcome): Cost {
  const listing = (calls.sourceLists * PRICES.hotList) / 10_000;
  const copying = (calls.sourceReads * PRICES.hotRead + copied * PRICES.coolWrite) / 10_000;
  const manifests = ((calls.vaultWrites - copied) * PRICES.coolWrite + calls.vaultReads * PRICES.coolRead) / 10_000;
  const state =
    (calls.tableOperations * PRICES.tableOperation + calls.queueOperations * PRICES.queueOperation) / 10_000;
  const functions =
    gigabyteSeconds * PRICES.functionGigabyteSecond + (executions / 1e6) * PRICES.functionMillionExecutions;
  return { listing, copying, manifests, state, functions, total: listing + copying + manifests + state + functions };
}
