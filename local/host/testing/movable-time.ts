/**
 * @module
 * One time for several processes, which a test moves: host, worker and Azurite tell the machine's time plus an offset
 * that lies in a small file. Each process that follows it has a `Date` that looks there whenever it is asked for the
 * present, so that all agree at every moment, also those that start later. Timers of Node (`setTimeout`) stay real.
 */

import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The offset in milliseconds, as one double, so that it is written and read in one piece. */
const OFFSET_BYTES = Float64Array.BYTES_PER_ELEMENT;

/** The parameter of {@link MovableTime.nodeArgument}'s address that names the file. */
const FILE_PARAMETER = "movable-time";

export interface MovableTime {
  /** An argument for Node with which a process follows this time from its start; it holds no blank. */
  readonly nodeArgument: string;
  now(): Date;
  /** Moves the time for all, and waits until those who listen have done what came due. */
  moveTo(at: Date): Promise<void>;
  /** Calls back and awaits before and after each move. @returns function that removes the callback */
  onMove(listener: (moment: "moving" | "moved") => Promise<void>): () => void;
  /** Removes the file; no process may use the time any more. */
  close(): Promise<void>;
}

/** Creates a time that is `at` now, and advances like real time. */
export async function openMovableTime(at: Date): Promise<MovableTime> {
  const folder = await mkdtemp(join(tmpdir(), "movable-time-"));
  const path = join(folder, "offset");
  const file = openSync(path, "w+");
  const listeners = new Set<(moment: "moving" | "moved") => Promise<void>>();
  let offsetMs = 0;
  const move = (to: Date): void => {
    offsetMs = to.getTime() - Date.now();
    writeSync(file, new Float64Array([offsetMs]), 0, OFFSET_BYTES, 0);
  };
  move(at);

  const preload = new URL("follow-movable-time.ts", import.meta.url);
  preload.searchParams.set(FILE_PARAMETER, path);
  return {
    nodeArgument: `--import=${preload.href}`,
    now: () => new Date(Date.now() + offsetMs),
    moveTo: async (to) => {
      await Promise.all([...listeners].map((listener) => listener("moving")));
      move(to);
      await Promise.all([...listeners].map((listener) => listener("moved")));
    },
    onMove: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: async () => {
      closeSync(file);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Lets `Date` of this process follow a time, by the address in its `nodeArgument`. */
export function followMovableTime(address: string): void {
  const path = new URL(address).searchParams.get(FILE_PARAMETER);
  if (path === null) throw new Error(`'${address}' names no movable time`);
  const file = openSync(path, "r");
  const offset = new Float64Array(1);
  const MachineDate = Date;
  const now = (): number => {
    readSync(file, offset, 0, OFFSET_BYTES, 0);
    return MachineDate.now() + (offset[0] ?? 0);
  };
  const MovedDate = new Proxy(MachineDate, {
    construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
    apply: () => new MachineDate(now()).toString(),
    get: (target, key) => (key === "now" ? now : Reflect.get(target, key)),
  });
  MachineDate.prototype.constructor = MovedDate;
  globalThis.Date = MovedDate;
}
