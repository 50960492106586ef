import { isMainThread } from "node:worker_threads";
import { afterEach, describe, test, vi } from "vitest";
import { DAY_MS, HOUR_MS } from "../foundation/durations.ts";
import { decideTag } from "./decide-tag.ts";
import { slotsBetween } from "./due-slot.ts";
import { localTimeAt, momentOf } from "./local-time.ts";
import type { RepeatingInterval } from "./policy-record.ts";
import { PolicyProperties, readPolicy } from "./read-policy.ts";
import type { TaggingCriterion } from "./retention-rules.ts";
import { isAtTime, readScheduleTime } from "./schedule-times.ts";

const HALF_PAST_TWO = 2.5 * HOUR_MS;

describe("a schedule time is", () => {
  test.for([
    ["02:30", { kind: "local", timeOfDay: HALF_PAST_TWO }],
    ["02:30:59.1234567", { kind: "local", timeOfDay: HALF_PAST_TWO }],
    ["2026-03-29T02:30:00", { kind: "local", timeOfDay: HALF_PAST_TWO }],
    ["02:30Z", { kind: "at-offset", timeOfDay: HALF_PAST_TWO, offset: 0 }],
    ["02:30-03:30", { kind: "at-offset", timeOfDay: HALF_PAST_TWO, offset: -3.5 * HOUR_MS }],
    ["2026-01-31T02:30:00Z", { kind: "moment", at: Date.UTC(2026, 0, 31, 2, 30) }],
    ["2026-01-31T02:30+05:45", { kind: "moment", at: Date.UTC(2026, 0, 30, 20, 45) }],
  ] as const)("%s", ([text, time], { expect }) => {
    expect(readScheduleTime(text)).toEqual(time);
  });

  test.for([
    "",
    "2",
    "24:00",
    "02:60",
    "02:30+99:99",
    "02:30+15:00",
    "2026-02-30T02:30:00Z",
    "2026-13-01T02:30",
    " 02:30",
  ])("not '%s'", (text, { expect }) => {
    expect(readScheduleTime(text)).toBeUndefined();
  });
});

test.for([
  // At 02:00 on 29 March 2026 clocks in Berlin go to 03:00, and at 03:00 on 25 October back to 02:00.
  ["02:30", "2026-03-29T01:30:00Z", true],
  ["2026-03-29T02:30:00", "2026-03-29T01:30:00Z", true],
  ["2026-03-29T02:30:00", "2026-03-30T00:30:00Z", true],
  ["2026-03-29T02:30:00", "2026-03-30T01:30:00Z", false],
  ["02:30", "2026-10-25T00:30:00Z", true],
  ["02:30Z", "2026-03-28T02:30:00Z", true],
  ["02:30Z", "2026-07-28T02:30:00Z", true],
  ["02:30Z", "2026-07-28T00:30:00Z", false],
  // What the clocks show at a moment in winter, they show an hour earlier in summer.
  ["2026-01-31T02:30:00Z", "2026-07-28T01:30:00Z", true],
] as const)("%s in Berlin is the time of %s: %s", ([text, slot, is], { expect }) => {
  const time = readScheduleTime(text);
  expect(time && isAtTime(Date.parse(slot), "Europe/Berlin", time)).toBe(is);
});

test("a skipped time at the end of a day counts on the next day", ({ expect }) => {
  // Samoa skipped 30 December 2011, Toronto the half hour before midnight on 30 March 1919.
  const time = { kind: "local", timeOfDay: 23.75 * HOUR_MS } as const;
  const { at, isShown } = momentOf("America/Toronto", Date.UTC(1919, 2, 30) + time.timeOfDay);
  expect(isShown).toBe(false);
  expect(new Date(localTimeAt("America/Toronto", at)).toISOString()).toBe("1919-03-31T00:45:00.000Z");
  expect(isAtTime(at, "America/Toronto", time)).toBe(true);
  expect(isAtTime(at + DAY_MS, "America/Toronto", time)).toBe(false);
});

interface Change {
  readonly zone: string;
  /** First moment under the new offset. */
  readonly at: number;
}

const FROM = Date.UTC(2024, 0, 1);
const UNTIL = Date.UTC(2031, 0, 1);

/** Each offset change of a zone from 2024 to 2030. */
function changesOf(zone: string): Change[] {
  const offset = (at: number): number => localTimeAt(zone, at) - at;
  const changes: Change[] = [];
  for (let week = FROM; week < UNTIL; week += 7 * DAY_MS) {
    let [low, high] = [week, week + 7 * DAY_MS];
    if (offset(low) === offset(high)) continue;
    while (high - low > 60_000) {
      const middle = low + Math.floor((high - low) / 120_000) * 60_000;
      if (offset(middle) === offset(low)) low = middle;
      else high = middle;
    }
    changes.push({ zone, at: high });
  }
  return changes;
}

/** All zones of this runtime, but only one of those with the same changes at the same local times. */
function allChanges(): { readonly zones: number; readonly changes: readonly Change[] } {
  const zones = Intl.supportedValuesOf("timeZone");
  const different = new Map<string, Change[]>();
  for (const zone of zones) {
    const changes = changesOf(zone);
    const clocks = changes.map(({ at }) => `${at} ${localTimeAt(zone, at - 60_000)} ${localTimeAt(zone, at)}`);
    different.set(clocks.join(), changes);
  }
  return { zones: zones.length, changes: [...different.values()].flat() };
}

const { zones, changes } = allChanges();

const BY_DEFAULT: TaggingCriterion = { tag: "Default", priority: 99, isDefault: true, criteria: [] };
const FIRST_OF_DAY: TaggingCriterion = {
  ...BY_DEFAULT,
  tag: "First",
  isDefault: false,
  priority: 1,
  criteria: [{ absolute: ["FirstOfDay"] }],
};

function tagOf(scheduleTime: string, slot: Date, zone: string): string {
  const at: TaggingCriterion = {
    tag: "At",
    priority: 1,
    isDefault: false,
    criteria: [{ scheduleTimes: [scheduleTime] }],
  };
  return decideTag([at, BY_DEFAULT], { slot, zone, earlierSlot: undefined }).tag;
}

function dayOf(slot: Date, zone: string): number {
  return Math.floor(localTimeAt(zone, slot.getTime()) / DAY_MS);
}

const QUARTERS = [-5, -3, -2, -1, 0, 1, 2, 3, 4, 5];

/** Slots of a daily schedule around a change, for a time of day near it. */
function dailySlots(
  { zone, at }: Change,
  quarters: number,
): { readonly text: string; readonly slots: readonly Date[] } {
  const wanted = localTimeAt(zone, at) + quarters * 15 * 60_000;
  const start = new Date(momentOf(zone, wanted - 3 * DAY_MS).at).toISOString();
  const daily: RepeatingInterval = { start, every: { unit: "days", count: 1 }, zone };
  const window = { after: new Date(at - 2.5 * DAY_MS), until: new Date(at + 2.5 * DAY_MS) };
  return { text: new Date(wanted).toISOString().slice(11, 16), slots: slotsBetween([daily], window) };
}

test("around every offset change from 2024 to 2030, each slot of a daily schedule matches the time of the schedule", ({
  expect,
}) => {
  let compared = 0;
  for (const change of changes) {
    for (const quarters of QUARTERS) {
      const { text, slots } = dailySlots(change, quarters);
      const where = `${change.zone} ${new Date(change.at).toISOString()} ${text}`;
      for (const [n, slot] of slots.entries()) {
        expect(tagOf(text, slot, change.zone), where).toBe("At");
        expect(tagOf(`2026-03-29T${text}:00`, slot, change.zone), where).toBe("At");
        const earlierSlot = slots[n - 1];
        // Each is the first of its day, also when that has no midnight, or two. One that is skipped at the end of a day
        // runs on the next day, and is the first of that.
        if (earlierSlot === undefined || dayOf(earlierSlot, change.zone) === dayOf(slot, change.zone)) continue;
        expect(decideTag([FIRST_OF_DAY], { slot, zone: change.zone, earlierSlot }).tag, where).toBe("First");
        compared += 1;
      }
    }
  }
  expect(zones).toBeGreaterThan(400);
  expect(changes.length).toBeGreaterThan(200);
  expect(compared).toBeGreaterThan(changes.length * QUARTERS.length * 3);
});

test("of two backups on one day only one is the first of it, also when the day begins twice", ({ expect }) => {
  // At 01:00 on 1 November 2026 clocks in Havana go back to 00:00.
  const [zone, day] = ["America/Havana", "2026-11-01"];
  const slots = ["04:30", "05:30", "06:30"].map((time) => new Date(`${day}T${time}:00Z`));
  expect(slots.map((slot) => new Date(localTimeAt(zone, slot.getTime())).toISOString().slice(0, 16))).toEqual([
    "2026-11-01T00:30",
    "2026-11-01T00:30",
    "2026-11-01T01:30",
  ]);
  const tags = slots.map((slot, n) => {
    const earlierSlot = slots[n - 1] ?? new Date("2026-10-31T20:00:00Z");
    return decideTag([FIRST_OF_DAY, BY_DEFAULT], { slot, zone, earlierSlot }).tag;
  });
  expect(tags).toEqual(["First", "Default", "Default"]);
});

/** Policies with a start without offset, whose local time may be skipped or occur twice. */
function startOf(zone: string, local: string): string {
  const store = { objectType: "DataStoreInfoBase", dataStoreType: "VaultStore" };
  const schedule = { repeatingTimeIntervals: [`R/${local}/P1D`], timeZone: zone };
  const taggingCriteria = [{ tagInfo: { tagName: "Default" }, taggingPriority: 99, isDefault: true }];
  const deleteAfter = { objectType: "AbsoluteDeleteOption", duration: "P7D" };
  const policyRules = [
    {
      name: "Backup",
      objectType: "AzureBackupRule",
      backupParameters: { objectType: "AzureBackupParams", backupType: "Discrete" },
      dataStore: store,
      trigger: { objectType: "ScheduleBasedTriggerContext", schedule, taggingCriteria },
    },
    {
      name: "Default",
      objectType: "AzureRetentionRule",
      isDefault: true,
      lifecycles: [{ deleteAfter, sourceDataStore: store }],
    },
  ];
  const datasourceTypes = ["Microsoft.Storage/storageAccounts/blobServices"];
  try {
    const policy = readPolicy(PolicyProperties.parse({ objectType: "BackupPolicy", datasourceTypes, policyRules }));
    return policy.backupRule?.intervals[0]?.start ?? "none";
  } catch (error) {
    return String(error);
  }
}

/** All that depends on local times, around the changes of some zones. */
function readAll(): string[] {
  const some = changes.filter(({ at }) => new Date(at).getUTCFullYear() === 2026);
  return some.flatMap((change) =>
    [-3, -1, 1, 2].flatMap((quarters) => {
      const { text, slots } = dailySlots(change, quarters);
      const day = new Date(localTimeAt(change.zone, change.at)).toISOString().slice(0, 10);
      return [
        text,
        startOf(change.zone, `${day}T${text}`),
        ...slots.map((slot) => {
          const tags = [text, `${day}T${text}`, `${text}Z`].map((time) => tagOf(time, slot, change.zone));
          return `${slot.toISOString()} ${tags.join()}`;
        }),
      ];
    }),
  );
}

describe("whatever the day and the zone of the machine:", () => {
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllEnvs();
  });

  // A thread cannot change the zone of its process; Vitest runs tests in processes, Stryker in threads.
  test.runIf(isMainThread)("slots, starts and tags are the same", ({ expect }) => {
    const usual = readAll();
    expect(usual.length).toBeGreaterThan(500);
    const offsets = new Set<number>();
    for (const [zone, today] of [
      ["America/New_York", "2026-03-08T07:30:00Z"],
      ["Europe/Berlin", "2026-03-29T01:30:00Z"],
      ["Europe/Berlin", "2026-10-25T01:30:00Z"],
      ["Pacific/Apia", "2030-07-01T00:00:00Z"],
      ["UTC", "1970-01-01T00:00:00Z"],
    ] as const) {
      vi.stubEnv("TZ", zone);
      vi.useFakeTimers({ now: new Date(today), toFake: ["Date"] });
      offsets.add(new Date().getTimezoneOffset());
      expect(readAll(), `${zone} ${today}`).toEqual(usual);
      vi.useRealTimers();
    }
    expect(offsets.size).toBeGreaterThan(3);
  });
});
