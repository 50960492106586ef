import type { HostClock } from "../protocol.ts";

/** The longest wait that `setTimeout` can hold. */
const MAX_WAIT_MS = 2 ** 31 - 1;

/** The machine's time. */
export const systemClock: HostClock = {
  now: () => new Date(),
  callAt: (at, callback) => {
    let timeout: NodeJS.Timeout;
    const wait = (): void => {
      const waitMs = at.getTime() - Date.now();
      // A timeout may fire a millisecond early, and long waits take several; so the time is checked each time.
      timeout = setTimeout(() => (Date.now() >= at.getTime() ? callback() : wait()), Math.min(waitMs, MAX_WAIT_MS));
    };
    wait();
    return () => clearTimeout(timeout);
  },
};
