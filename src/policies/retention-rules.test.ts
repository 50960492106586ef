import { describe, test } from "vitest";
import { VaultError } from "../foundation/errors.ts";
import {
  readRetentionRules,
  readTagging,
  type WireRetentionRule,
  type WireTaggingCriterion,
} from "./retention-rules.ts";

const RULES = [{ name: "Default" }, { name: "Weekly" }];

const byDefault: WireTaggingCriterion = { tagInfo: { tagName: "Default" }, taggingPriority: 99, isDefault: true };

const weekly = (criterion: object, changes: Partial<WireTaggingCriterion> = {}): WireTaggingCriterion => ({
  tagInfo: { tagName: "Weekly" },
  taggingPriority: 20,
  isDefault: false,
  criteria: [{ objectType: "ScheduleBasedBackupCriteria", ...criterion }],
  ...changes,
});

const rule = (name: string, duration: string, changes: Partial<WireRetentionRule> = {}): WireRetentionRule => ({
  name,
  isDefault: name === "Default",
  lifecycles: [
    {
      deleteAfter: { objectType: "AbsoluteDeleteOption", duration },
      sourceDataStore: { dataStoreType: "VaultStore" },
    },
  ],
  ...changes,
});

function problem(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof VaultError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "none";
}

describe("retention rules", () => {
  test.for(["P1D", "P3650D", "P1W", "P521W", "P1M", "P120M", "P1Y", "P10Y"])("may keep for %s", (keep, { expect }) => {
    expect(readRetentionRules([rule("Default", keep)])).toEqual([{ name: "Default", keep }]);
  });

  test.for(["P0D", "P3651D", "P522W", "P121M", "P11Y", "P1Y6M", "PT12H", "7D", "P-1D", ""])(
    "may not keep for '%s'",
    (keep, { expect }) => {
      expect(problem(() => readRetentionRules([rule("Default", keep)]))).toBe(
        `policy/invalid: the policy is not valid: rule 'Default' keeps for '${keep}'`,
      );
    },
  );

  test("are refused when they are not for the vault, copy elsewhere, or delete in another way", ({ expect }) => {
    const [lifecycle] = rule("Default", "P1D").lifecycles ?? [];
    if (lifecycle === undefined) throw new Error("no lifecycle");
    const refused = (changes: Partial<typeof lifecycle>) =>
      problem(() => readRetentionRules([rule("Default", "P1D", { lifecycles: [{ ...lifecycle, ...changes }] })]));
    expect(refused({ sourceDataStore: { dataStoreType: "OperationalStore" } })).toContain("not for 'VaultStore'");
    expect(refused({ targetDataStoreCopySettings: [{}] })).toContain("copies to another data store");
    expect(refused({ deleteAfter: { objectType: "Other", duration: "P1D" } })).toContain("delete option 'Other'");
    expect(refused({ targetDataStoreCopySettings: null })).toBe("none");
    expect(problem(() => readRetentionRules([rule("Default", "P1D", { lifecycles: [] })]))).toContain("one lifecycle");
    expect(problem(() => readRetentionRules([rule("Weekly", "P1D")]))).toContain("must be the default");
  });
});

describe("tagging", () => {
  test("reads every member of a criterion", ({ expect }) => {
    const criterion = {
      absoluteCriteria: ["FirstOfWeek"],
      daysOfTheWeek: ["Monday", "sunday"],
      weeksOfTheMonth: ["First", "Last"],
      daysOfMonth: [{ date: 28, isLast: false }, { date: 0, isLast: true }, { isLast: true }],
      monthsOfYear: ["January", "December"],
      scheduleTimes: ["2019-03-01T13:00:00Z"],
    };
    expect(readTagging("BackupDaily", [byDefault, weekly(criterion)], RULES)).toEqual([
      {
        tag: "Weekly",
        priority: 20,
        isDefault: false,
        criteria: [
          {
            absolute: ["FirstOfWeek"],
            daysOfTheWeek: [1, 7],
            weeksOfTheMonth: [1, "last"],
            daysOfMonth: [28, "last", "last"],
            monthsOfYear: [1, 12],
            scheduleTimes: ["2019-03-01T13:00:00Z"],
          },
        ],
      },
      { tag: "Default", priority: 99, isDefault: true, criteria: [] },
    ]);
  });

  test("leaves out members that are null or empty, as clients send them", ({ expect }) => {
    const criterion = { absoluteCriteria: null, daysOfTheWeek: ["Friday"], monthsOfYear: [], daysOfMonth: null };
    const [first] = readTagging("BackupDaily", [weekly(criterion), { ...byDefault, criteria: null }], RULES);
    expect(first?.criteria).toEqual([{ daysOfTheWeek: [5] }]);
  });

  test.for<readonly [string, WireTaggingCriterion[]]>([
    ["but no AzureRetentionRule has this name", [byDefault, weekly({}, { tagInfo: { tagName: "Yearly" } })]],
    ["exactly one default tagging criterion", [weekly({ daysOfTheWeek: ["Friday"] })]],
    ["exactly one default tagging criterion", [byDefault, byDefault]],
    ["has no criteria for the tag 'Weekly'", [byDefault, weekly({}, { criteria: [] })]],
    ["has criteria for the default tag", [{ ...byDefault, criteria: weekly({ daysOfTheWeek: ["Friday"] }).criteria }]],
    ["a criterion has no member", [byDefault, weekly({ daysOfTheWeek: [] })]],
    ["'Freitag' is not one of daysOfTheWeek", [byDefault, weekly({ daysOfTheWeek: ["Freitag"] })]],
    ["'Fifth' is not one of weeksOfTheMonth", [byDefault, weekly({ weeksOfTheMonth: ["Fifth"] })]],
    ["'FirstOfHour' is not one of absoluteCriteria", [byDefault, weekly({ absoluteCriteria: ["FirstOfHour"] })]],
    ["'29' does not exist in every month", [byDefault, weekly({ daysOfMonth: [{ date: 29 }] })]],
    ["'noon' is not a time", [byDefault, weekly({ scheduleTimes: ["noon"] })]],
    ["is not a ScheduleBasedBackupCriteria", [byDefault, weekly({ objectType: "Other" })]],
  ])("is refused: %s", ([message, criteria], { expect }) => {
    const found = problem(() => readTagging("BackupDaily", criteria, RULES));
    expect(found).toContain("policy/invalid: the policy is not valid: ");
    expect(found).toContain(message);
  });
});
