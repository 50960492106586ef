import { describe, test } from "vitest";
import { VaultError } from "../foundation/errors.ts";
import { PolicyProperties, readPolicy } from "./read-policy.ts";

type Json = Record<string, unknown>;

const vaultStore = { objectType: "DataStoreInfoBase", dataStoreType: "VaultStore" };

const tag = (tagName: string, isDefault = false, taggingPriority = isDefault ? 99 : 20): Json => ({
  tagInfo: { tagName, id: `${tagName}_` },
  taggingPriority,
  isDefault,
  ...(isDefault
    ? {}
    : { criteria: [{ objectType: "ScheduleBasedBackupCriteria", absoluteCriteria: ["FirstOfWeek"] }] }),
});

const retention = (name: string, duration: string, changes: Json = {}): Json => ({
  name,
  objectType: "AzureRetentionRule",
  isDefault: name === "Default",
  lifecycles: [{ deleteAfter: { objectType: "AbsoluteDeleteOption", duration }, sourceDataStore: vaultStore }],
  ...changes,
});

const backup = (schedule: Json, changes: Json = {}): Json => ({
  name: "BackupDaily",
  objectType: "AzureBackupRule",
  backupParameters: { objectType: "AzureBackupParams", backupType: "Discrete" },
  dataStore: vaultStore,
  trigger: { objectType: "ScheduleBasedTriggerContext", schedule, taggingCriteria: [tag("Default", true)] },
  ...changes,
});

const DAILY = { repeatingTimeIntervals: ["R/2026-01-01T02:00:00+00:00/P1D"], timeZone: "UTC" };

function read(rules: readonly Json[], changes: Json = {}) {
  return readPolicy(
    PolicyProperties.parse({
      objectType: "BackupPolicy",
      datasourceTypes: ["Microsoft.Storage/storageAccounts/blobServices"],
      policyRules: rules,
      ...changes,
    }),
  );
}

function problem(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof VaultError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "none";
}

test("reads schedule, tagging and retention rules", ({ expect }) => {
  const rules = [
    backup(DAILY, {
      trigger: {
        objectType: "ScheduleBasedTriggerContext",
        schedule: DAILY,
        taggingCriteria: [tag("Weekly"), tag("Default", true)],
      },
    }),
    retention("Default", "P7D"),
    retention("Weekly", "P12W"),
  ];
  expect(read(rules)).toEqual({
    datasourceTypes: ["Microsoft.Storage/storageAccounts/blobServices"],
    backupRule: {
      name: "BackupDaily",
      intervals: [{ start: "2026-01-01T02:00:00.000Z", every: { unit: "days", count: 1 }, zone: "UTC" }],
      tagging: [
        { tag: "Weekly", priority: 20, isDefault: false, criteria: [{ absolute: ["FirstOfWeek"] }] },
        { tag: "Default", priority: 99, isDefault: true, criteria: [] },
      ],
    },
    retentionRules: [
      { name: "Default", keep: "P7D" },
      { name: "Weekly", keep: "P12W" },
    ],
  });
});

test("a policy without a schedule is for backups on demand", ({ expect }) => {
  expect(read([retention("Default", "P7D")])).not.toHaveProperty("backupRule");
});

describe("a repeating time interval", () => {
  const intervals = (interval: string, timeZone?: string) =>
    read([
      backup({ repeatingTimeIntervals: [interval], ...(timeZone === undefined ? {} : { timeZone }) }),
      retention("Default", "P7D"),
    ]).backupRule?.intervals[0];

  test.for([
    ["a day", "R/2026-01-31T02:30:00Z/P1D", undefined, "2026-01-31T02:30:00.000Z", "days", 1, "UTC"],
    ["a fortnight", "R/2026-01-31T02:30:00+00:00/P2W", "UTC", "2026-01-31T02:30:00.000Z", "weeks", 2, "UTC"],
    ["hours and minutes only", "R/2026-01-31T02:30Z/P1D", "UTC", "2026-01-31T02:30:00.000Z", "days", 1, "UTC"],
    ["milliseconds", "R/2026-01-31T02:30:45.123+05:30/P1D", "", "2026-01-30T21:00:45.123Z", "days", 1, "UTC"],
    ["an offset alone", "R/2019-11-20T08:00:00-08:00/P1W", undefined, "2019-11-20T16:00:00.000Z", "weeks", 1, "UTC"],
    ["an offset as its zone", "R/2026-01-31T02:30:00/P1D", "+05:30", "2026-01-30T21:00:00.000Z", "days", 1, "UTC"],
    [
      "a Windows zone",
      "R/2026-01-31T02:30:00+05:30/P1D",
      "India Standard Time",
      "2026-01-31T02:30:00.000+05:30",
      "days",
      1,
      "Asia/Calcutta",
    ],
    [
      "a Windows zone in another letter case, and no offset",
      "R/2026-07-31T02:30:00/P1D",
      "w. europe standard time",
      "2026-07-31T02:30:00.000+02:00",
      "days",
      1,
      "Europe/Berlin",
    ],
    ["hours", "R/2026-01-31T02:30:00Z/PT4H", "UTC", "2026-01-31T02:30:00.000Z", "hours", 4, "UTC"],
    ["a quarter of an hour", "R/2026-01-31T02:30:00Z/PT15M", "UTC", "2026-01-31T02:30:00.000Z", "minutes", 15, "UTC"],
    [
      "a local time that occurs twice",
      "R/2026-10-25T02:30:00/P1D",
      "Europe/Berlin",
      "2026-10-25T02:30:00.000+02:00",
      "days",
      1,
      "Europe/Berlin",
    ],
    [
      "an IANA zone",
      "R/2026-01-31T02:30:00+00:00/P1D",
      "America/New_York",
      "2026-01-30T21:30:00.000-05:00",
      "days",
      1,
      "America/New_York",
    ],
  ] as const)("with %s is read", ([, interval, timeZone, start, unit, count, zone], { expect }) => {
    expect(intervals(interval, timeZone)).toEqual({ start, every: { unit, count }, zone });
  });

  test.for([
    ["R/2026-01-31T02:30:00Z"],
    ["R5/2026-01-31T02:30:00Z/P1D"],
    ["R/2026-02-30T02:30:00Z/P1D"],
    ["R/2026-01-31T25:30:00Z/P1D"],
    ["R/2026-01-31T0230Z/P1D"],
    ["R/2026-01-31T02:30:00Z/P"],
    ["R/2026-01-31/P1D"],
    ["every day"],
    [""],
  ] as const)("'%s' is refused", ([interval], { expect }) => {
    expect(problem(() => intervals(interval))).toBe(
      `policy/invalid: the policy is not valid: rule 'BackupDaily' has the repeating time interval '${interval}'`,
    );
  });

  test.for([
    ["P0D", "period is zero"],
    ["P0W", "period is zero"],
    ["PT0M", "period is zero"],
    ["PT0H", "period is zero"],
    ["P1M", "period is of months or years"],
    ["P1Y", "period is of months or years"],
    ["P1M1D", "period is of months or years"],
    ["PT14M", "period is shorter than PT15M"],
    ["PT90S", "period is not one number of days, weeks, hours or minutes"],
    ["PT1H30M", "period is not one number of days, weeks, hours or minutes"],
    ["P1DT12H", "period is not one number of days, weeks, hours or minutes"],
    ["P1D1W", "period is not one number of days, weeks, hours or minutes"],
    ["PT", "period is not one number of days, weeks, hours or minutes"],
  ] as const)("of %s is refused: its %s", ([period, why], { expect }) => {
    const interval = `R/2026-01-31T02:30:00Z/${period}`;
    expect(problem(() => intervals(interval))).toBe(
      `policy/invalid: the policy is not valid: rule 'BackupDaily' has the repeating time interval '${interval}', whose ${why}`,
    );
  });

  test("is refused when its start does not exist in local time", ({ expect }) => {
    const interval = "R/2026-03-29T02:30:00/P1D";
    expect(problem(() => intervals(interval, "W. Europe Standard Time"))).toBe(
      `policy/invalid: the policy is not valid: rule 'BackupDaily' has the repeating time interval '${interval}', whose start does not exist in local time of 'Europe/Berlin'`,
    );
    expect(intervals("R/2026-03-29T02:30:00+01:00/P1D", "W. Europe Standard Time")).toMatchObject({
      start: "2026-03-29T03:30:00.000+02:00",
    });
  });

  test("comes once for each weekday, and they are many at most", ({ expect }) => {
    const days = ["05", "07", "09"].map((day) => `R/2026-01-${day}T02:00:00+00:00/P1W`);
    const rule = (repeatingTimeIntervals: readonly string[]) =>
      read([backup({ repeatingTimeIntervals, timeZone: "UTC" }), retention("Default", "P7D")]).backupRule?.intervals;
    expect(rule(days)?.map(({ start }) => start)).toEqual([
      "2026-01-05T02:00:00.000Z",
      "2026-01-07T02:00:00.000Z",
      "2026-01-09T02:00:00.000Z",
    ]);
    expect(problem(() => rule(Array.from({ length: 169 }, () => "R/2026-01-05T02:00:00Z/P1W")))).toBe(
      "policy/invalid: the policy is not valid: rule 'BackupDaily' has 169 repeating time intervals, more than 168",
    );
  });

  test("in an unknown time zone is refused", ({ expect }) => {
    expect(problem(() => intervals("R/2026-01-31T02:30:00Z/P1D", "Middle-earth"))).toContain(
      "policy/invalid: the policy is not valid: rule 'BackupDaily' has the unknown time zone 'Middle-earth'",
    );
  });
});

describe("a retention rule", () => {
  test.for([["P1D"], ["P3650D"], ["P521W"], ["P120M"], ["P10Y"]] as const)("keeps for %s", ([keep], { expect }) => {
    expect(read([retention("Default", keep)]).retentionRules).toEqual([{ name: "Default", keep }]);
  });

  test.for([["P0D"], ["P3651D"], ["P522W"], ["P121M"], ["P11Y"], ["PT24H"], ["P1Y6M"], ["P-1D"], ["7"], [""]] as const)(
    "does not keep for '%s'",
    ([keep], { expect }) => {
      expect(problem(() => read([retention("Default", keep)]))).toBe(
        `policy/invalid: the policy is not valid: rule 'Default' keeps for '${keep}'`,
      );
    },
  );
});

describe("is refused", () => {
  const keep = retention("Default", "P7D");
  const trigger = (taggingCriteria: readonly Json[]): Json => ({
    trigger: { objectType: "ScheduleBasedTriggerContext", schedule: DAILY, taggingCriteria },
  });
  const operational = { objectType: "DataStoreInfoBase", dataStoreType: "OperationalStore" };

  test.for([
    ["without a retention rule", [backup(DAILY)], "exactly one AzureRetentionRule must be the default"],
    [
      "with two default retention rules",
      [keep, retention("Other", "P1D", { isDefault: true })],
      "exactly one AzureRetentionRule must be the default",
    ],
    ["with two rules of one name", [keep, retention("default", "P1D")], "two rules have the name 'default'"],
    [
      "with two backup rules",
      [backup(DAILY), backup(DAILY, { name: "Second" }), keep],
      "more than one AzureBackupRule",
    ],
    ["with an unknown rule", [{ name: "x", objectType: "Magic" }], "rule 'x' has the unknown objectType 'Magic'"],
    [
      "with a tag that no rule keeps",
      [backup(DAILY, trigger([tag("Default", true), tag("Weekly")])), keep],
      "rule 'BackupDaily' has the tag 'Weekly', but no AzureRetentionRule has this name",
    ],
    [
      "without a default tag",
      [backup(DAILY, trigger([tag("Default", false)])), keep],
      "rule 'BackupDaily' needs exactly one default tagging criterion",
    ],
    [
      "without any tag",
      [backup(DAILY, trigger([])), keep],
      "rule 'BackupDaily' needs exactly one default tagging criterion",
    ],
    [
      "without an interval",
      [backup({ repeatingTimeIntervals: [], timeZone: "UTC" }), keep],
      "rule 'BackupDaily' has no repeating time interval",
    ],
    [
      "with a trigger that is no schedule",
      [backup(DAILY, { trigger: { objectType: "AdhocBasedTriggerContext" } }), keep],
      "rule 'BackupDaily' needs a ScheduleBasedTriggerContext with a schedule",
    ],
    [
      "with backups that are not Discrete",
      [backup(DAILY, { backupParameters: { objectType: "AzureBackupParams", backupType: "Full" } }), keep],
      "rule 'BackupDaily' needs backupParameters AzureBackupParams of backupType 'Discrete'",
    ],
    [
      "with backups to the operational store",
      [backup(DAILY, { dataStore: operational }), keep],
      "rule 'BackupDaily' is for 'OperationalStore', not for 'VaultStore'",
    ],
    [
      "with retention in the operational store",
      [
        retention("Default", "P7D", {
          lifecycles: [
            { deleteAfter: { objectType: "AbsoluteDeleteOption", duration: "P7D" }, sourceDataStore: operational },
          ],
        }),
      ],
      "rule 'Default' is for 'OperationalStore', not for 'VaultStore'",
    ],
    [
      "with copies to another store",
      [
        retention("Default", "P7D", {
          lifecycles: [
            {
              deleteAfter: { objectType: "AbsoluteDeleteOption", duration: "P7D" },
              sourceDataStore: vaultStore,
              targetDataStoreCopySettings: [{}],
            },
          ],
        }),
      ],
      "rule 'Default' copies to another data store",
    ],
    [
      "without a lifecycle",
      [retention("Default", "P7D", { lifecycles: [] })],
      "rule 'Default' needs exactly one lifecycle",
    ],
  ] as const)("%s", ([, rules, message], { expect }) => {
    expect(problem(() => read(rules as readonly Json[]))).toBe(`policy/invalid: the policy is not valid: ${message}`);
  });

  test("for a datasource type that this vault does not protect", ({ expect }) => {
    expect(problem(() => read([keep], { datasourceTypes: ["Microsoft.Compute/disks"] }))).toBe(
      "policy/invalid: the policy is not valid: datasource type 'Microsoft.Compute/disks' is not supported",
    );
  });

  test("when it is something else than a policy", ({ expect }) => {
    expect(problem(() => read([keep], { objectType: "Other" }))).toContain("objectType is 'Other', not 'BackupPolicy'");
  });
});
