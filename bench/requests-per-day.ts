/**
 * @module
 * Storage requests of one scheduled backup a day and the purge that goes with it, for an instance of five blobs, by the app on the
 * development host with a clock that is moved. `requests_per_day` is the mean of the days after the first two weeks, when a
 * point expires on most days.
 *
 * `npm run bench:requests -- [--days N] [--list]`
 */
import { parseArgs } from "node:util";
import { expect } from "vitest";
import { LOCAL_ACCOUNTS } from "../local/lakevault.ts";
import { backUpDaily } from "../test/e2e/support/daily-backups.ts";

const { values } = parseArgs({
  options: { days: { type: "string", default: "28" }, list: { type: "boolean", default: false } },
});
const days = Number(values.days);
const FIRST_COUNTED = 14;

const LINE = /^\S+ - \S+ \[[^\]]*\] "([A-Z]+) (\S+) HTTP/;

const IDS: readonly (readonly [RegExp, string])[] = [
  [/[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}/g, "<id>"],
  [/RowKey='[^']*'/g, "RowKey=<row>"],
  [/\d{4}-\d\d-\d\dT[\d:.]+Z?/g, "<time>"],
  [/0x[0-9A-F]+\.\d+/g, "<etag>"],
  [/\d{6}-\d{6}-[0-9a-f]+/g, "<segment>"],
  [/raw-[0-9a-f]+/g, "<container>"],
  [/blob \d+/g, "<blob>"],
];

/** What a request is about, without the ids in it. */
function kindOf(line: string): string | undefined {
  const [, method = "", target = ""] = LINE.exec(line) ?? [];
  if (method === "" || /[?&]sig=/.test(target)) return undefined;
  const { pathname, searchParams } = new URL(target, "http://azurite");
  const shown = [...searchParams].filter(([name]) => /comp|restype|prefix|\$filter/.test(name));
  const query = shown.map(([name, value]) => `${name}=${value}`).join("&");
  const kind = `${method} ${decodeURIComponent(pathname)}${query === "" ? "" : `?${query}`}`;
  return IDS.reduce((text, [id, name]) => text.replaceAll(id, name), kind);
}

const kinds = new Map<string, number>();
let counted = 0;
await backUpDaily(
  {
    ...{ firstDay: "2024-02-10", days, lookEvery: days, restoredDay: "2024-03-01" },
    onRequest: (line, day) => {
      const kind = kindOf(line);
      if (kind === undefined || day < FIRST_COUNTED || day >= days - 1) return;
      counted += 1;
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    },
  },
  expect,
);
const countedDays = days - 1 - FIRST_COUNTED;
if (values.list) {
  for (const [kind, count] of [...kinds].sort((a, b) => b[1] - a[1]))
    console.log((count / countedDays).toFixed(1).padStart(7), kind);
}
const byAccount = LOCAL_ACCOUNTS.map((account) => {
  const sum = [...kinds].reduce((total, [kind, n]) => total + (kind.includes(` /${account}/`) ? n : 0), 0);
  return [account, Math.round((10 * sum) / countedDays) / 10] as const;
});
console.log(
  JSON.stringify({ requests_per_day: Math.round((10 * counted) / countedDays) / 10, ...Object.fromEntries(byAccount) }),
);
