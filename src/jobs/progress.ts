import { listRecords, type RecordTable } from "../foundation/records.ts";
import { addTotals, type Job, type JobTotals, NO_TOTALS } from "./contract.ts";
import type { WorkRecord } from "./work.ts";

export interface Progress {
  readonly totals: JobTotals;
  /** Finished ranges or segments among those planned, 0 to 1; 0 before anything is planned. */
  readonly doneShare: number;
}

/** Adds up what a job has done so far, from the rows of its work; an ended job's own row says it. */
export async function readProgress(work: RecordTable<WorkRecord>, job: Job): Promise<Progress> {
  if (job.status !== "InProgress") return { totals: job.totals ?? NO_TOTALS, doneShare: 1 };

  let totals = NO_TOTALS;
  let planned = 0;
  let done = 0;
  const finished = new Set<string>();
  const running: { readonly part: string; readonly totals: JobTotals }[] = [];
  for await (const { row, value } of listRecords(work, job.id)) {
    const part = row.slice(row.indexOf("|"));
    switch (value.kind) {
      case "plan":
        planned += value.parts;
        break;
      case "piece":
        if (value.rest === undefined) done += 1;
        finished.add(part);
        totals = addTotals(totals, value.totals);
        break;
      case "restored":
        done += 1;
        finished.add(`${part}|000000`);
        totals = addTotals(totals, value.totals);
        break;
      case "running":
        running.push({ part, totals: value.totals });
        break;
      case "range":
      case "marker":
        break;
    }
  }
  for (const { part, totals: soFar } of running) {
    if (!finished.has(part)) totals = addTotals(totals, soFar);
  }
  return { totals, doneShare: planned === 0 ? 0 : Math.min(1, done / planned) };
}
