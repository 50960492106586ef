/**
 * @module
 * The expected points of a vault after any number of daily backups, computed by plain arithmetic with dates, so that it
 * shares no mistake with the app. Days are counted from the first one.
 */
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../../../src/foundation/durations.ts";

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

function tagInfo(tagName: Tag): object {
  return { tagName, id: `${tagName}_` };
}

function criterion(tag: Tag, taggingPriority: number, marker: string): object {
  const criteria = [{ objectType: "ScheduleBasedBackupCriteria", absoluteCriteria: [marker] }];
  return { tagInfo: tagInfo(tag), taggingPriority, isDefault: false, criteria };
}

/** Half past two in Berlin each day: a time that is skipped in spring and occurs twice in autumn. */
export class PaperCalendar {
  readonly firstDay: number;

  /** @param firstDay - ISO 8601 date */
  constructor(firstDay: string) {
    this.firstDay = Date.parse(`${firstDay}T00:00:00Z`);
  }

  /** The same rules as a policy. */
  get policy(): object {
    return {
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
                repeatingTimeIntervals: [`R/${this.#isoDate(0)}T02:30:00+0${this.#isSummer(0) ? 2 : 1}:00/P1D`],
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
            lifecycles: [
              { deleteAfter: { objectType: "AbsoluteDeleteOption", duration }, sourceDataStore: VAULT_STORE },
            ],
          })),
        ],
      },
    };
  }

  /** The day's date, at midnight UTC. */
  dateOf(day: number): Date {
    return new Date(this.firstDay + day * DAY_MS);
  }

  dayOf(date: string): number {
    return (Date.parse(`${date}T00:00:00Z`) - this.firstDay) / DAY_MS;
  }

  /**
   * Time of a day's slot, in Unix milliseconds. Berlin is two hours ahead of UTC from the last Sunday of March to that
   * of October, changing at 1:00 UTC, and one hour otherwise. In the spring night the old offset counts for half past
   * two; in the autumn night its first occurrence counts.
   */
  slotOf(day: number): number {
    return this.dateOf(day).getTime() + (this.#isSummer(day) ? 0 : HOUR_MS) + 30 * MINUTE_MS;
  }

  #isSummer(day: number): boolean {
    const date = this.dateOf(day);
    return date.getTime() > lastSunday(date, 3) && date.getTime() <= lastSunday(date, 10);
  }

  #isoDate(day: number): string {
    return this.dateOf(day).toISOString().slice(0, 10);
  }

  /**
   * Times to which a test moves the clock for the backup, and the purge before it. Purge timers run at other minutes.
   */
  backupOf(day: number): number {
    return this.slotOf(day) + MINUTE_MS;
  }

  purgeOf(day: number): number {
    return this.slotOf(day) - 6 * MINUTE_MS;
  }

  /**
   * The first point of all is the first of its year, month and week. A day's date in Berlin is that of its slot in UTC.
   */
  tagOf(day: number): Tag {
    const date = this.dateOf(day);
    const isFirstOfMonth = date.getUTCDate() === 1;
    if (day === 0 || (isFirstOfMonth && date.getUTCMonth() === 0)) return "Yearly";
    if (isFirstOfMonth) return "Monthly";
    return date.getUTCDay() === 0 ? "Weekly" : "Default";
  }

  #expiryOf(day: number): number {
    const kept = KEPT[this.tagOf(day)];
    const from = new Date(this.backupOf(day));
    if ("days" in kept) return from.getTime() + kept.days * DAY_MS;
    // Only the first such point, which outlives the test, is on a day that some months do not have.
    return from.setUTCMonth(from.getUTCMonth() + kept.months);
  }

  /** The days before `day` whose points outlive its purge. */
  survivorsOf(day: number): number[] {
    return Array.from({ length: Math.max(day, 0) }, (_, n) => n).filter((n) => this.#expiryOf(n) > this.purgeOf(day));
  }

  /** The point of a day, as its date in UTC and its tag. */
  nameOf(day: number): string {
    return `${this.#isoDate(day)} ${this.tagOf(day)}`;
  }
}

function lastSunday(date: Date, month: number): number {
  const last = new Date(Date.UTC(date.getUTCFullYear(), month, 0));
  return last.getTime() - last.getUTCDay() * DAY_MS;
}
