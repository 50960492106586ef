/**
 * @module
 * One host to a storage account and task hub: two would run the same orchestrations and undo each other's writes.
 * A file with the holder's process id is enough on one machine, and unlike a blob lease it is free the moment the
 * holder is killed.
 */

import { randomUUID } from "node:crypto";
import { link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HostStartError } from "./start-error.ts";

interface Holder {
  readonly pid: number;
  /** When the process started, by the system's own count; distinguishes a process from a later one with the same id. */
  readonly startMark: string;
  readonly scriptRoot: string;
}

export interface ExclusiveLock {
  release(): Promise<void>;
}

/**
 * Takes the lock named `id`, also from a holder that is no longer there.
 *
 * @param what - what the lock is on, for the message
 * @throws HostStartError when another host holds it
 */
export async function takeExclusiveLock(
  id: string,
  what: string,
  scriptRoot: string,
  folder: string = join(tmpdir(), `lakevault-hosts-${process.getuid?.() ?? "user"}`),
): Promise<ExclusiveLock> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, `${id}.lock`);
  const own = JSON.stringify({
    pid: process.pid,
    startMark: await startMarkOf(process.pid),
    scriptRoot,
  } satisfies Holder);

  for (let attempt = 0; attempt < 5; attempt++) {
    if (await createWhole(path, own)) {
      return {
        release: async () => {
          if ((await readText(path)) === own) await rm(path, { force: true });
        },
      };
    }
    const text = await readText(path);
    if (text === undefined) continue;
    const holder = parseHolder(text);
    if (holder !== undefined && (await isRunning(holder))) {
      throw new HostStartError(
        `another host, process ${holder.pid} for ${holder.scriptRoot}, runs on ${what}: end it, ` +
          "or give this one another storage account or 'extensions.durableTask.hubName'",
      );
    }
    await removeStale(path, text);
  }
  throw new HostStartError(`the lock on ${what} could not be taken: several hosts are starting at once`);
}

/** Creates a file with its content in one step, so that no reader sees a partial file; false when it already exists. */
async function createWhole(path: string, content: string): Promise<boolean> {
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, content, { mode: 0o600 });
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return false;
  } finally {
    await rm(draft, { force: true });
  }
}

/** Moves a dead holder's file away, and back if it was another one by then. */
async function removeStale(path: string, stale: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  if ((await readText(aside)) !== stale) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}

async function isRunning(holder: Holder): Promise<boolean> {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    // EPERM: it is alive, but belongs to another user.
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  const mark = await startMarkOf(holder.pid);
  return mark !== ENDED && (mark === "" || holder.startMark === "" || mark === holder.startMark);
}

/** The start mark of a process that has ended and only waits for its parent to take notice. */
const ENDED = "ended";

/** Reads the start time of a process, in clock ticks since boot; empty where the system has no /proc. */
async function startMarkOf(pid: number): Promise<string> {
  const stat = await readText(`/proc/${pid}/stat`);
  if (stat === undefined) return "";
  // The second field is the program's name in parentheses and may hold anything; state is the 3rd, start time the 22nd.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" ? ENDED : (fields[19] ?? "");
}

function parseHolder(text: string): Holder | undefined {
  try {
    const { pid, startMark, scriptRoot } = JSON.parse(text) as Partial<Holder>;
    return typeof pid === "number" ? { pid, startMark: startMark ?? "", scriptRoot: scriptRoot ?? "" } : undefined;
  } catch {
    return undefined;
  }
}

async function readText(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch(() => undefined);
}
