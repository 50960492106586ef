import { test } from "vitest";
import { refusalOf } from "../../test/support/arm-answers.ts";
import {
  MemoryApp,
  POLICY_ID,
  type PolicyOptions,
  policyBody,
  VAULT_ID,
  vaultBody,
} from "../../test/support/memory-app.ts";

const at = (start: string, period = "P1D"): PolicyOptions => ({ intervals: [`R/${start}/${period}`] });

/** The default policy with one text replaced. */
const withText = (text: string, other: string) => JSON.stringify(policyBody()).replaceAll(text, other);

async function put(body: unknown) {
  const app = new MemoryApp();
  await app.call("PUT", VAULT_ID, { body: vaultBody() });
  return await app.call("PUT", POLICY_ID, { body });
}

test.for([
  ["an offset that no clock has", policyBody({ timeZone: "+99:99" }), "the offset '+99:99'"],
  ["an offset beyond +14:00", policyBody({ timeZone: "+14:01" }), "the offset '+14:01'"],
  ["an offset below -12:00", policyBody({ timeZone: "-12:30" }), "the offset '-12:30'"],
  ["a start with an offset that no clock has", policyBody(at("2026-01-01T02:00:00+24:00")), "the offset '+24:00'"],
  ["a start in the year 9999", policyBody(at("9999-01-01T02:00:00Z")), "starts on 9999-01-01"],
  ["a start in more than ten years", policyBody(at("2036-06-01T02:00:00Z")), "starts on 2036-06-01"],
  ["a start before 1970", policyBody(at("1969-12-31T02:00:00Z")), "starts on 1969-12-31"],
  ["a start on 30 February", policyBody(at("2026-02-30T02:00:00Z")), "repeating time interval"],
  ["a start at 24:30", policyBody(at("2026-02-20T24:30:00Z")), "repeating time interval"],
  ["a period of centuries", policyBody(at("2026-01-01T02:00:00Z", "P99999D")), "every 99999 days"],
  ["a period of more than a year in hours", policyBody(at("2026-01-01T02:00:00Z", "PT8785H")), "every 8785 hours"],
  ["a rule's name of 70,000 characters", withText("BackupDaily", "n".repeat(70_000)), "has 70000 characters"],
  ["a rule's name with a control character", withText("BackupDaily", "a\\u0007b"), "a control character"],
  ["a rule's name with a line feed", withText("BackupDaily", "a\\nb"), "a control character"],
  ["a rule's name with half a character", withText("BackupDaily", "a\\ud800"), "a control character"],
  ["a rule's name that ends with a space", withText("BackupDaily", "a "), "begins or ends with a space"],
  ["a tag with a control character", withText('"Default"', '"De\\u0000fault"'), "a control character"],
  ["a tag's id of 151 characters", withText("Default_", "n".repeat(151)), "has 151 characters"],
  ["a negative priority", withText('"taggingPriority":99', '"taggingPriority":-1'), "the priority -1"],
  ["an unknown time zone", policyBody({ timeZone: "Middle Earth Standard Time" }), "the unknown time zone"],
] as const)("a policy is refused for %s", async ([, body, says], { expect }) => {
  const answer = await put(body);
  const [status, code, failure] = refusalOf(answer);
  expect([status, code, failure]).toEqual([400, "InvalidBackupPolicy", "policy/invalid"]);
  expect(JSON.stringify(answer.body)).toContain(says);
});

test.for([
  policyBody({ timeZone: "+14:00" }),
  policyBody({ timeZone: "-12:00" }),
  policyBody({ timeZone: "+05:45" }),
  policyBody({ timeZone: "Coordinated Universal Time" }),
  policyBody({ timeZone: "(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna" }),
  policyBody(at("1970-01-01T00:00:00Z")),
  policyBody(at("2036-02-01T02:00:00Z")),
  policyBody(at("2026-01-01T02:00:00Z", "P366D")),
  withText("BackupDaily", "n".repeat(150)),
  withText("BackupDaily", "Sicherung täglich 日次"),
])("a policy at the limits is accepted", async (body, { expect }) => {
  expect((await put(body)).status).toBe(200);
});
