import { outsideTime } from "../azure/function-time.ts";
import { beat } from "../jobs/heartbeat.ts";
import { BEAT_EVERY_MS } from "../jobs/watchdog.ts";
import { app } from "./app.ts";

/**
 * Lets the watchdog know, while a function works on a job, that it does. One that is done in a moment says nothing: what it
 * has done is seen.
 *
 * @param jobId - undefined: the function is not about a job
 * @param noteBeat - tests have their own
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
    // The last beat must not arrive after the word that the work is done.
    await last;
  };
  try {
    const result = await body();
    await end();
    if (last !== undefined) await noteBeat(jobId, false);
    return result;
  } catch (error) {
    await end();
    // It is tried again after a while that the watchdog must bear with.
    await noteBeat(jobId, false);
    throw error;
  }
}
