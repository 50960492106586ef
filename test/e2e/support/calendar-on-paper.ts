/**
 * @module
 * What a vault must hold after any number of daily backups, told by plain arithmetic with dates, so that it shares no
 * mistake with the app. Days are counted from the first one.
 */

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** 14 June 2023, so that 29 February 2024 is among the days. */
export const FIRST_DAY = Date.UTC(2023, 5, 14);

/** How long points are kept: by days or weeks in milliseconds, by months and years in the calendar. */
const KEPT = {
  Default: { days: 7 },
  Weekly: { days: 28 },
  Monthly: { months: 12 },
  Yearly: { months: 120 },
} as const;
export type Tag = keyof typeof KEPT;

const VAULT_STORE = { dataStoreType: "VaultStore", objectType: "DataStoreInfoBase" };

const DURATIONS = { Default: "P7D", Weekly: "P4W", Monthly: "P12M", Yearly: "P10Y" } as const satisfies Record<
  Tag,
  string
>;

/** The same as a policy: half past two in Berlin each day, a time that the clocks leave out in spring and show twice in autumn. */
export const PAPER_POLICY = {
  properties: {
    objectType: "BackupPolicy",
    datasourceTypes: ["Microsoft.Storage/storageAccounts/blobServices"],
    policyRules: [
      {
        name: "BackupDaily",
        objectType: "AzureBackupRule",
        backupParameters: { objectType: "AzureBackupParams", backupType: "Discrete" },
        dataStore: VAULT_STORE,
        trigger: {
          objectType: "ScheduleBasedTriggerContext",
          schedule: {
            repeatingTimeIntervals: ["R/2023-06-14T02:30:00+02:00/P1D"],
            timeZone: "W. Europe Standard Time",
          },
          taggingCriteria: [
            { tagInfo: tagInfo("Default"), taggingPriority: 99, isDefault: true },
            criterion("Weekly", 20, "FirstOfWeek"),
            criterion("Monthly", 15, "FirstOfMonth"),
            criterion("Yearly", 10, "FirstOfYear"),
          ],
        },
      },
      ...Object.entries(DURATIONS).map(([name, duration]) => ({
        name,
        objectType: "AzureRetentionRule",
        isDefault: name === "Default",
        lifecycles: [{ deleteAfter: { objectType: "AbsoluteDeleteOption", duration }, sourceDataStore: VAULT_STORE }],
      })),
    ],
  },
};

function tagInfo(tagName: Tag): object {
  return { tagName, id: `${tagName}_` };
}

function criterion(tag: Tag, taggingPriority: number, marker: string): object {
  const criteria = [{ objectType: "ScheduleBasedBackupCriteria", absoluteCriteria: [marker] }];
  return { tagInfo: tagInfo(tag), taggingPriority, isDefault: false, criteria };
}

/** The day's date, at midnight UTC. */
export function dateOf(day: number): Date {
  return new Date(FIRST_DAY + day * DAY_MS);
}

export function dayOf(year: number, month: number, date: number): number {
  return (Date.UTC(year, month - 1, date) - FIRST_DAY) / DAY_MS;
}

/**
 * When the slot of a day comes, in Unix milliseconds. Berlin is two hours ahead of UTC from the last Sunday of March to that of
 * October, changing at 1:00 UTC, and one hour else. In the spring night, half past two comes by the clock as it went before;
 * in the autumn night, it counts when it first comes.
 */
export function slotOf(day: number): number {
  const date = dateOf(day);
  const summer = date.getTime() > lastSunday(date, 3) && date.getTime() <= lastSunday(date, 10);
  return date.getTime() + (summer ? 0 : HOUR_MS) + 30 * MINUTE_MS;
}

function lastSunday(date: Date, month: number): number {
  const last = new Date(Date.UTC(date.getUTCFullYear(), month, 0));
  return last.getTime() - last.getUTCDay() * DAY_MS;
}

/** When a test moves the clock for the backup, and for the purge before it. The timers of purges run at other minutes. */
export const backupOf = (day: number): number => slotOf(day) + MINUTE_MS;
export const purgeOf = (day: number): number => slotOf(day) - 6 * MINUTE_MS;

/** The first point of all is the first of its year, month and week. A day's date in Berlin is that of its slot in UTC. */
export function tagOf(day: number): Tag {
  const date = dateOf(day);
  const isFirstOfMonth = date.getUTCDate() === 1;
  if (day === 0 || (isFirstOfMonth && date.getUTCMonth() === 0)) return "Yearly";
  if (isFirstOfMonth) return "Monthly";
  return date.getUTCDay() === 0 ? "Weekly" : "Default";
}

function expiryOf(day: number): number {
  const kept = KEPT[tagOf(day)];
  const from = new Date(backupOf(day));
  if ("days" in kept) return from.getTime() + kept.days * DAY_MS;
  // No such point but the first, which outlives the test, is of a day that another month lacks.
  return from.setUTCMonth(from.getUTCMonth() + kept.months);
}

/** The days before `day` whose points outlive its purge. */
export function survivorsOf(day: number): number[] {
  return Array.from({ length: Math.max(day, 0) }, (_, n) => n).filter((n) => expiryOf(n) > purgeOf(day));
}
