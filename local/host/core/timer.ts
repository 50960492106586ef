/**
 * @module
 * Timer triggers: when to run, what was missed while the host was away, and retries.
 */

import type { FunctionDefinition, HostClock, HostLog, InvocationRequest, InvocationResponse } from "../protocol.ts";
import type { Schedule } from "./schedule.ts";

/** What is kept of a timer between two lives of the host. */
export interface TimerStatus {
  /** When it last ran; undefined before its first run. */
  readonly last?: Date;
  /** When it is to run next. */
  readonly next: Date;
  readonly lastUpdated: Date;
}

/** Where timer statuses are kept. */
export interface TimerStatuses {
  read(functionName: string): Promise<TimerStatus | undefined>;
  write(functionName: string, status: TimerStatus): Promise<void>;
}

export interface TimerOptions {
  readonly definition: FunctionDefinition;
  readonly schedule: Schedule;
  readonly statuses: TimerStatuses;
  readonly clock: HostClock;
  readonly invoke: (request: InvocationRequest) => Promise<InvocationResponse>;
  readonly log: HostLog;
}

export interface Timer {
  /** Reads the status of earlier lives, makes up for a missed run, and waits for the next. */
  start(): Promise<void>;
  /** Runs the function now, after a running execution; its schedule does not change. */
  runNow(): Promise<void>;
  /** Begins no further run. */
  stop(): Promise<void>;
  /** Waits for the running execution. */
  drain(): Promise<void>;
}

/** Schedules with shorter steps are not kept across restarts, as in the real host. */
const MIN_MONITORED_STEP_MS = 60_000;

/** How .NET writes "never". */
const NEVER = "0001-01-01T00:00:00+00:00";

export function openTimer(options: TimerOptions): Timer {
  const { definition, schedule, statuses, clock, log } = options;
  const { name } = definition;
  const isMonitored = definition.trigger["useMonitor"] !== false && isSlow(schedule, clock.now());
  const retry = readRetryPolicy(definition.retryOptions);

  let status: TimerStatus | undefined;
  let run: Promise<void> = Promise.resolve();
  let cancelWait: () => void = () => undefined;
  let isStopped = false;

  const wait = (): void => {
    if (isStopped) return;
    const next = schedule.next(clock.now());
    if (next === undefined) {
      log.warn(`timer '${name}' has no next run: its schedule never comes round`);
      return;
    }
    cancelWait = clock.callAt(next, () => queueRun().then(wait));
  };

  /** One run at a time: each waits for the one before it. */
  const queueRun = (mode: { isPastDue?: boolean; isManual?: boolean } = {}): Promise<void> => {
    run = run.then(async () => {
      if (isStopped) return;
      try {
        await runOnce(mode.isPastDue ?? false, mode.isManual ?? false);
      } catch (error) {
        log.error(`timer '${name}': ${error instanceof Error ? error.message : String(error)}`);
      }
    });
    return run;
  };

  const runOnce = async (isPastDue: boolean, isManual: boolean): Promise<void> => {
    const begunAt = clock.now();
    const data = { Schedule: { AdjustForDST: true }, ScheduleStatus: toJson(status), IsPastDue: isPastDue };
    const triggerData = { json: JSON.stringify(data) };
    for (let retryCount = 0; ; retryCount++) {
      const response = await options.invoke({
        triggerData,
        ...(retryCount > 0 && retry !== undefined && { retryContext: { retryCount, maxRetryCount: retry.maxCount } }),
      });
      if (response.ok || retry === undefined || (retry.maxCount >= 0 && retryCount >= retry.maxCount)) break;
      const delayMs = retry.delayMs(retryCount);
      log.info(`timer '${name}' is retried in ${delayMs} ms`);
      // Stopped between two tries: the status stays as it is, so that the next host finds the run past due.
      if (!(await pause(delayMs))) return;
    }
    if (!isManual) await keep(begunAt);
  };

  /** Keeps when the timer is due next, counted from its last run or, without one, from now. */
  const keep = async (last?: Date): Promise<void> => {
    const now = clock.now();
    const next = schedule.next(last ?? now);
    if (next === undefined) return;
    status = { ...(last !== undefined && { last }), next, lastUpdated: now };
    if (isMonitored) await statuses.write(name, status);
  };

  let endPause: () => void = () => undefined;
  /** Waits by the host's clock; false when the timer was stopped meanwhile. */
  const pause = async (ms: number): Promise<boolean> => {
    await new Promise<void>((resolve) => {
      const cancel = clock.callAt(new Date(clock.now().getTime() + ms), resolve);
      endPause = () => {
        cancel();
        resolve();
      };
    });
    return !isStopped;
  };

  /** Whether a run fell into the time when no host was there. */
  const checkPastDue = async (): Promise<boolean> => {
    if (!isMonitored) return false;
    status = await statuses.read(name);
    const expected = status && schedule.next(status.last ?? status.lastUpdated);
    if (status !== undefined && expected?.getTime() === status.next.getTime()) return clock.now() > status.next;
    // The first start, or one with another schedule than before: nothing can be said to be missed.
    await keep();
    return false;
  };

  return {
    start: async () => {
      const isPastDue = await checkPastDue();
      if (isPastDue) log.info(`timer '${name}' was due at ${status?.next.toISOString()}, and runs now`);
      if (isPastDue || definition.trigger["runOnStartup"] === true) void queueRun({ isPastDue }).then(wait);
      else wait();
    },
    runNow: () => queueRun({ isManual: true }),
    stop: async () => {
      isStopped = true;
      cancelWait();
      endPause();
    },
    drain: () => run,
  };
}

interface RetryPolicy {
  /** -1 means without end. */
  readonly maxCount: number;
  delayMs(retryCount: number): number;
}

/** Reads the retry options as the library rounded them, to whole seconds. */
function readRetryPolicy(options: FunctionDefinition["retryOptions"]): RetryPolicy | undefined {
  if (options === undefined) return undefined;
  const ms = (key: string): number => Number((options[key] as { seconds?: number } | undefined)?.seconds ?? 0) * 1000;
  const maxCount = Number(options["maxRetryCount"] ?? 0);
  if (options["retryStrategy"] === "exponentialBackoff") {
    const least = ms("minimumInterval");
    const most = ms("maximumInterval");
    return { maxCount, delayMs: (retryCount) => Math.min(most, least * 2 ** retryCount) };
  }
  return { maxCount, delayMs: () => ms("delayInterval") };
}

function isSlow(schedule: Schedule, now: Date): boolean {
  const first = schedule.next(now);
  const second = first && schedule.next(first);
  return first !== undefined && (second === undefined || second.getTime() - first.getTime() >= MIN_MONITORED_STEP_MS);
}

function toJson(status: TimerStatus | undefined): Record<string, string> | null {
  if (status === undefined) return null;
  const text = (date: Date): string => date.toISOString().replace("Z", "+00:00");
  return {
    Last: status.last === undefined ? NEVER : text(status.last),
    Next: text(status.next),
    LastUpdated: text(status.lastUpdated),
  };
}
