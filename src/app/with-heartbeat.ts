import { outsideTime } from "../azure/function-time.ts";
import { beat } from "../jobs/heartbeat.ts";
import { BEAT_EVERY_MS } from "../jobs/watchdog.ts";
import { app } from "./app.ts";

/**
 * Sends heartbeats to the watchdog while a function works on a job. A short function sends none: its results count as
 * signs of life.
 *
 * @param jobId - undefined: the function has no job
 * @param noteBeat - replaced in tests
 */
export async function withHeartbeat<T>(
  jobId: string | undefined,
  body: () => Promise<T>,
  noteBeat: (jobId: string, isAtWork: boolean) => Promise<unknown> = (job, isAtWork) => beat(app(), job, isAtWork),
  everyMs = BEAT_EVERY_MS,
): Promise<T> {
  if (jobId === undefined) return body();
  let last: Promise<unknown> | undefined;
  const timer = setInterval(() => {
    last = outsideTime(() => noteBeat(jobId, true));
  }, everyMs);
  const end = async (): Promise<void> => {
    clearInterval(timer);
    // The last heartbeat must not arrive after the message that the work is done.
    await last;
  };
  try {
    const result = await body();
    await end();
    if (last !== undefined) await noteBeat(jobId, false);
    return result;
  } catch (error) {
    await end();
    // It is retried after a delay, during which the watchdog must not restart the job.
    await noteBeat(jobId, false);
    throw error;
  }
}
