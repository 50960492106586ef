import fc from "fast-check";
import { describe, test } from "vitest";
import { z } from "zod";
import { VaultError } from "../foundation/errors.ts";
import { InstanceProperties } from "../instances/read-instance.ts";
import { PolicyProperties } from "../policies/read-policy.ts";
import { readKept, readWire } from "./read-wire.ts";

const Sample = z.looseObject({
  resourceID: z.string(),
  isDefault: z.boolean().optional(),
  nested: z.looseObject({ itemPath: z.string().optional() }).optional(),
  list: z.array(z.looseObject({ tagName: z.string() })).optional(),
  tags: z.record(z.string(), z.string()).optional(),
});

function refusal(run: () => unknown): VaultError {
  try {
    run();
  } catch (error) {
    if (error instanceof VaultError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

test("members are case-insensitive, at any depth", ({ expect }) => {
  expect(
    readWire(Sample, {
      RESOURCEID: "a",
      IsDefault: true,
      NESTED: { ITEMPATH: "raw" },
      List: [{ TAGname: "x" }],
    }),
  ).toEqual({ resourceID: "a", isDefault: true, nested: { itemPath: "raw" }, list: [{ tagName: "x" }] });
});

test("null counts as absent", ({ expect }) => {
  expect(readWire(Sample, { resourceID: "a", isDefault: null, nested: { itemPath: null }, tags: { a: null } })).toEqual(
    {
      resourceID: "a",
      nested: {},
      tags: {},
    },
  );
  expect(refusal(() => readWire(Sample, { resourceID: null })).message).toContain("resourceID");
});

test("of two letter cases the schema's own wins, else the first", ({ expect }) => {
  expect(readWire(Sample, { resourceId: "b", resourceID: "a", ResourceId: "c" })).toEqual({ resourceID: "a" });
  expect(readWire(Sample, { resourceId: "b", RESOURCEID: "c" })).toEqual({ resourceID: "b" });
});

test("unknown members stay unchanged", ({ expect }) => {
  const unknown = { Später: { NULL: null, list: [null, 1] } };
  expect(readWire(Sample, { resourceID: "a", ...unknown })).toEqual({ resourceID: "a", ...unknown });
});

test("no member name reaches a prototype", ({ expect }) => {
  const read = readWire(Sample, JSON.parse('{"resourceID":"a","__proto__":{"polluted":true},"constructor":1}'));
  expect(Object.getPrototypeOf(read)).toBe(Object.prototype);
  expect("polluted" in read).toBe(false);
});

test("every invalid member is named, with its path", ({ expect }) => {
  const error = refusal(() => readWire(Sample, { resourceID: 1, list: [{ tagName: "x" }, {}] }, "policy/invalid"));
  expect(error.code).toBe("policy/invalid");
  expect(error.message).toMatch(/resourceID: .*; list\[1\]\.tagName: /);
  for (const body of ["text", 7, null, []]) {
    expect(refusal(() => readWire(Sample, body)).message).toMatch(/^the request body is not valid: the body: /);
  }
});

test("a resource that does not fit into a record is refused", ({ expect }) => {
  const text = "x".repeat(80_000);
  expect(refusal(() => readKept(Sample, { resourceID: text })).code).toBe("request/too-large");
  expect(readWire(Sample, { resourceID: text }).resourceID).toBe(text);
});

describe("under any letter case", () => {
  const someCase = (text: string, flips: readonly boolean[]): string =>
    [...text].map((c, at) => (flips[at % flips.length] === true ? c.toUpperCase() : c.toLowerCase())).join("");

  const recased = (value: unknown, flips: readonly boolean[]): unknown => {
    if (Array.isArray(value)) return value.map((item) => recased(item, flips));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, member]) => [someCase(name, flips), recased(member, flips)]),
    );
  };

  const policy = {
    objectType: "BackupPolicy",
    datasourceTypes: ["x"],
    policyRules: [
      {
        name: "Default",
        objectType: "AzureRetentionRule",
        isDefault: true,
        lifecycles: [
          {
            deleteAfter: { objectType: "AbsoluteDeleteOption", duration: "P7D" },
            sourceDataStore: { objectType: "DataStoreInfoBase", dataStoreType: "VaultStore" },
            targetDataStoreCopySettings: [],
          },
        ],
      },
      {
        name: "BackupDaily",
        objectType: "AzureBackupRule",
        backupParameters: { objectType: "AzureBackupParams", backupType: "Discrete" },
        trigger: {
          objectType: "ScheduleBasedTriggerContext",
          schedule: { repeatingTimeIntervals: ["R/2026-01-01T00:00Z/P1D"], timeZone: "UTC" },
          taggingCriteria: [{ tagInfo: { tagName: "Default", id: "Default_" }, taggingPriority: 99, isDefault: true }],
        },
      },
    ],
  };
  const instance = {
    objectType: "BackupInstance",
    friendlyName: "lake",
    dataSourceInfo: { objectType: "Datasource", resourceID: "/a", datasourceType: "t", resourceLocation: "l" },
    policyInfo: {
      policyId: "/p",
      policyParameters: {
        backupDatasourceParametersList: [
          {
            objectType: "x",
            autoProtectionSettings: {
              objectType: "s",
              enabled: true,
              rules: [{ mode: "Exclude", type: "Prefix", pattern: "tmp" }],
            },
          },
        ],
      },
    },
  };

  test.for([
    ["a policy", PolicyProperties, policy],
    ["a backup instance", InstanceProperties, instance],
  ] as const)("%s reads the same", ([, schema, body], { expect }) => {
    let looked = 0;
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 12 }), (flips) => {
        expect(readWire<z.ZodType>(schema, recased(body, flips))).toEqual(body);
        looked += 1;
      }),
    );
    expect(looked).toBe(100);
  });
});
