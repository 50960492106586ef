/**
 * @module
 * Timer schedules in NCRONTAB, the grammar of the real host: six fields, `second minute hour day month weekday`, or
 * five without seconds. Its extensions in other cron dialects (`L`, `W`, `#`, `@daily`, 7 for Sunday) are refused,
 * because the real host refuses them.
 */

import { Cron } from "croner";

/** When a timer runs. */
export interface Schedule {
  /** The first moment after `after`, or undefined when there is none, as for 30 February. */
  next(after: Date): Date | undefined;
}

interface Field {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly names?: readonly string[];
}

const FIELDS: readonly Field[] = [
  { name: "second", from: 0, to: 59 },
  { name: "minute", from: 0, to: 59 },
  { name: "hour", from: 0, to: 23 },
  { name: "day", from: 1, to: 31 },
  {
    name: "month",
    from: 1,
    to: 12,
    names: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
  },
  { name: "weekday", from: 0, to: 6, names: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
];

/**
 * Reads a schedule.
 *
 * @param timeZone - IANA name; the real host knows it by the app setting `WEBSITE_TIME_ZONE`
 * @throws Error that names the field at fault
 */
export function parseSchedule(text: string, timeZone = "Etc/UTC"): Schedule {
  const words = text.trim().split(/\s+/);
  if (words.length === 1 && text.includes(":")) {
    throw new Error(
      `schedule '${text}' is a TimeSpan, which runs only on a dedicated App Service plan and is not supported here: ` +
        "write it in NCRONTAB, for instance '0 */5 * * * *'",
    );
  }
  if (words.length !== 5 && words.length !== 6) {
    throw new Error(
      `schedule '${text}' must be NCRONTAB with six fields, 'second minute hour day month weekday', for instance '0 */5 * * * *'`,
    );
  }
  const fields = words.length === 6 ? words : ["0", ...words];
  const numeric = FIELDS.map((field, at) => toNumbers(fields[at] ?? "", field, text));
  const cron = new Cron(numeric.join(" "), { mode: "6-part", domAndDow: true, paused: true, timezone: timeZone });
  return { next: (after) => cron.nextRun(after) ?? undefined };
}

/** Rewrites one field with numbers only, in a form that cron libraries agree on. */
function toNumbers(word: string, field: Field, text: string): string {
  return word
    .split(",")
    .map((item) => {
      const [range = "", step, ...more] = item.split("/");
      const stepNumber = step === undefined ? 1 : Number(step);
      if (more.length > 0 || (step !== undefined && !/^\d+$/.test(step)) || stepNumber === 0) {
        throw fieldError(text, field, item);
      }
      if (range === "*") return step === undefined ? "*" : `*/${stepNumber}`;
      const [from, to] = readRange(range, step !== undefined, field, text);
      if (from === to) return `${from}`;
      return stepNumber === 1 ? `${from}-${to}` : `${from}-${to}/${Math.min(stepNumber, field.to)}`;
    })
    .join(",");
}

function readRange(range: string, hasStep: boolean, field: Field, text: string): [number, number] {
  const [fromText = "", toText, ...more] = range.split("-");
  const from = readNumber(fromText, field);
  // A single value with a step runs from there to the end of the field.
  const to = toText === undefined ? (hasStep ? field.to : from) : readNumber(toText, field);
  if (more.length > 0 || from === undefined || to === undefined || from > to) throw fieldError(text, field, range);
  return [from, to];
}

function readNumber(word: string, field: Field): number | undefined {
  if (/^\d+$/.test(word)) {
    const number = Number(word);
    return number >= field.from && number <= field.to ? number : undefined;
  }
  if (field.names === undefined || word.length < 3) return undefined;
  const at = field.names.indexOf(word.toLowerCase());
  return at < 0 ? undefined : at + field.from;
}

function fieldError(text: string, field: Field, item: string): Error {
  const names = field.names === undefined ? "" : ` or ${field.names[0]} to ${field.names.at(-1)}`;
  return new Error(
    `schedule '${text}': '${item}' is no ${field.name} in NCRONTAB (${field.from} to ${field.to}${names}, with * , - /)`,
  );
}
