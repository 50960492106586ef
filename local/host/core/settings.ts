/**
 * @module
 * App settings: `Values` of `local.settings.json` under the environment, as `func` has it.
 */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { HostStartError } from "./start-error.ts";

/** App settings by name; names differ neither by case nor by `:` and `__`, as in .NET configuration. */
export class Settings {
  readonly #values: ReadonlyMap<string, { readonly name: string; readonly value: string }>;

  constructor(values: Readonly<Record<string, string | undefined>>) {
    this.#values = new Map(
      Object.entries(values).flatMap(([name, value]) =>
        value === undefined ? [] : [[normalize(name), { name, value }] as const],
      ),
    );
  }

  get(name: string): string | undefined {
    return this.#values.get(normalize(name))?.value;
  }

  /** Lists the settings with `prefix` by the rest of their names, with `:` between its parts. */
  below(prefix: string): { readonly rest: string; readonly value: string }[] {
    const wanted = normalize(prefix);
    return [...this.#values.values()].flatMap(({ name, value }) =>
      normalize(name).startsWith(wanted) ? [{ rest: name.replaceAll("__", ":").slice(wanted.length), value }] : [],
    );
  }

  /** The settings as environment variables of the worker. */
  toEnvironment(): Record<string, string> {
    return Object.fromEntries([...this.#values.values()].map(({ name, value }) => [name, value]));
  }

  /**
   * Replaces each `%Name%` in a text by that setting.
   *
   * @throws HostStartError when a setting is missing; the message names it, and `wantedBy`
   */
  expand(text: string, wantedBy: string): string {
    return text.replaceAll(/%([^%\s]+)%/g, (_, name: string) => {
      const value = this.get(name);
      if (value === undefined) {
        throw new HostStartError(
          `${wantedBy} needs the app setting '${name}', which is not set: add it to Values in local.settings.json or to the environment`,
        );
      }
      return value;
    });
  }
}

function normalize(name: string): string {
  return name.replaceAll("__", ":").toLowerCase();
}

export interface LocalSettings {
  readonly settings: Settings;
  /** `Host.LocalHttpPort`. */
  readonly port?: number;
  readonly warnings: readonly string[];
}

/**
 * Reads `local.settings.json`, where there is one, and lays the environment over it.
 *
 * @throws HostStartError when the file is not JSON or is encrypted
 */
export async function readLocalSettings(
  scriptRoot: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<LocalSettings> {
  const path = join(scriptRoot, "local.settings.json");
  const file = await readJsonObject(path);
  if (file?.["IsEncrypted"] === true) {
    throw new HostStartError(`${path} is encrypted: decrypt it with 'func settings decrypt'`);
  }
  const warnings: string[] = [];
  const host = isObject(file?.["Host"]) ? file["Host"] : {};
  for (const key of Object.keys(host)) {
    if (key !== "LocalHttpPort") warnings.push(`local.settings.json: 'Host.${key}' has no effect in this host`);
  }
  const values = isObject(file?.["Values"]) ? file["Values"] : {};
  const texts = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]));

  const port = Number(host["LocalHttpPort"]);
  return {
    settings: new Settings(mergeSettings(texts, environment)),
    ...(Number.isInteger(port) && port > 0 && { port }),
    warnings,
  };
}

/** Lets the environment win over the file even where the two spell a name differently. */
function mergeSettings(
  file: Readonly<Record<string, string>>,
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> {
  const fromEnvironment = new Set(Object.keys(environment).map(normalize));
  const rest = Object.entries(file).filter(([name]) => !fromEnvironment.has(normalize(name)));
  return { ...Object.fromEntries(rest), ...environment };
}

/**
 * Reads a JSON file that may be absent.
 *
 * @throws HostStartError when it is there and holds anything but an object
 */
export async function readJsonObject(path: string): Promise<Record<string, unknown> | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const value: unknown = JSON.parse(text.replace(/^\uFEFF/, ""));
    if (!isObject(value)) throw new Error("it holds no object");
    return value;
  } catch (error) {
    throw new HostStartError(`${path} is not valid JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
