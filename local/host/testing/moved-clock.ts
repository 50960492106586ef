import { systemClock } from "../core/system-clock.ts";
import type { HostClock } from "../protocol.ts";

/** The machine's clock, for a machine whose time jumps. */
export interface MovedClock extends HostClock {
  /** Waits until nothing is at work that was called back. */
  rest(): Promise<void>;
  /** Calls back whatever the last jump made due, waits until that is done, and anew for the moments of the others. */
  lookAgain(): Promise<void>;
}

interface Alarm {
  readonly at: Date;
  readonly ring: () => void;
  callOff: () => void;
}

export function openMovedClock(): MovedClock {
  const alarms = new Set<Alarm>();
  const atWork = new Set<Promise<void>>();
  const rest = async (): Promise<void> => {
    while (atWork.size > 0) await Promise.all(atWork);
  };
  return {
    now: systemClock.now,
    callAt: (at, callback) => {
      const ring = (): void => {
        alarms.delete(alarm);
        const work = (async () => callback())().finally(() => atWork.delete(work));
        atWork.add(work);
      };
      const alarm: Alarm = { at, ring, callOff: systemClock.callAt(at, ring) };
      alarms.add(alarm);
      return () => {
        alarms.delete(alarm);
        alarm.callOff();
      };
    },
    rest,
    lookAgain: async () => {
      const now = systemClock.now();
      for (const alarm of [...alarms].sort((a, b) => a.at.getTime() - b.at.getTime())) {
        // Called off meanwhile, by one that came before.
        if (!alarms.has(alarm)) continue;
        alarm.callOff();
        if (alarm.at <= now) alarm.ring();
        else alarm.callOff = systemClock.callAt(alarm.at, alarm.ring);
      }
      await rest();
    },
  };
}
