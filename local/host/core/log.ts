/**
 * @module
 * The host's log: one line an event, with a level filter by category after `logging.logLevel` of `host.json`.
 */

import type { HostLog } from "../protocol.ts";

const LEVELS = ["trace", "debug", "information", "warning", "error", "critical", "none"] as const;

export type Level = (typeof LEVELS)[number];

/** A log of one category. */
export interface CategoryLog extends HostLog {
  debug(message: string): void;
  at(level: Level, message: string): void;
}

export interface LogBook {
  /** The log of a category, such as `Host` or `Function.echo.User`. */
  category(name: string): CategoryLog;
  /** Takes the level of a category from its longest prefix in `levels`; `default` holds for all others. */
  filterBy(levels: Readonly<Record<string, string>>): void;
}

const LABELS: Readonly<Record<Level, string>> = {
  trace: "trace",
  debug: "debug",
  information: "info ",
  warning: "warn ",
  error: "error",
  critical: "error",
  none: "     ",
};

/**
 * Opens a log that writes lines such as `12:00:00.000 info  message`.
 *
 * @param write - takes each line, without its line break
 */
export function openLog(write: (line: string) => void): LogBook {
  let levels: ReadonlyMap<string, Level> = new Map();

  const threshold = (category: string): Level => {
    let prefix = category.toLowerCase();
    for (;;) {
      const level = levels.get(prefix);
      if (level !== undefined) return level;
      const at = prefix.lastIndexOf(".");
      if (at < 0) return levels.get("default") ?? "information";
      prefix = prefix.slice(0, at);
    }
  };

  return {
    filterBy: (given) => {
      levels = new Map(
        Object.entries(given).flatMap(([category, level]) => {
          const known = LEVELS.find((candidate) => candidate === level.toLowerCase());
          return known === undefined ? [] : [[category.toLowerCase(), known] as const];
        }),
      );
    },
    category: (name) => {
      const at = (level: Level, message: string): void => {
        const least = threshold(name);
        if (least === "none" || LEVELS.indexOf(level) < LEVELS.indexOf(least)) return;
        const time = new Date().toISOString().slice(11, 23);
        const text = redact(message).replaceAll(/\r?\n/g, "\n    ");
        write(`${time} ${LABELS[level]} ${text}`);
      };
      return {
        at,
        debug: (message) => at("debug", message),
        info: (message) => at("information", message),
        warn: (message) => at("warning", message),
        error: (message) => at("error", message),
      };
    },
  };
}

/** Takes account keys, signatures and function keys out of a text, whoever put them there. */
export function redact(text: string): string {
  return text
    .replaceAll(/(AccountKey|SharedAccessSignature|SharedAccessKey)=[^;\s"']+/gi, "$1=***")
    .replaceAll(/([?&](?:sig|code)=)[^&\s"']+/gi, "$1***");
}
