/**
 * @module
 * Function, host, system and master keys: random, kept in a file of the host's state folder.
 */

import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { isObject, readJsonObject } from "./settings.ts";

/** What a caller must show, as `authLevel` of an HTTP trigger names it; `system` is for the Durable web hook. */
export type AuthLevel = "anonymous" | "function" | "admin" | "system";

export interface Keys {
  readonly master: string;
  /** Opens every function. */
  readonly host: string;
  /** Opens the Durable web hook. */
  readonly durable: string;
  /** Opens one function. */
  ofFunction(name: string): string;
  /** Whether `presented` is enough for `level`, on `functionName` where the level is `function`. */
  opens(level: AuthLevel, presented: string | undefined, functionName?: string): boolean;
}

/** Reads the keys of `path`, and makes and stores those that are missing. */
export async function openKeys(path: string, functionNames: readonly string[]): Promise<Keys> {
  const file = (await readJsonObject(path)) ?? {};
  const before = JSON.stringify(file);
  const functions = isObject(file["functions"]) ? file["functions"] : {};
  file["functions"] = functions;
  const take = (holder: Record<string, unknown>, name: string): string => {
    const known = holder[name];
    const key = typeof known === "string" && known !== "" ? known : randomBytes(40).toString("base64url");
    holder[name] = key;
    return key;
  };
  const master = take(file, "master");
  const host = take(file, "host");
  const durable = take(file, "durable");
  const own = new Map(functionNames.map((name) => [name, take(functions, name)]));
  if (JSON.stringify(file) !== before) await writeWhole(path, `${JSON.stringify(file, undefined, 2)}\n`);

  const ofFunction = (name: string): string => {
    const key = own.get(name);
    if (key === undefined) throw new Error(`function '${name}' has no key`);
    return key;
  };
  return {
    master,
    host,
    durable,
    ofFunction,
    opens: (level, presented, functionName) => {
      if (level === "anonymous") return true;
      if (presented === undefined) return false;
      const enough = [master];
      if (level === "function") enough.push(host, ...(functionName === undefined ? [] : [ofFunction(functionName)]));
      if (level === "system") enough.push(durable);
      return enough.some((key) => isSame(key, presented));
    },
  };
}

/** Compares in constant time. */
function isSame(key: string, presented: string): boolean {
  const hash = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(key), hash(presented));
}

async function writeWhole(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, content, { mode: 0o600 });
  await rename(draft, path);
}
