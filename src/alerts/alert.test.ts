import { readFileSync } from "node:fs";
import { test } from "vitest";
import { MemoryRecords } from "../../test/support/memory-records.ts";
import { ALERT_KINDS, Alert, alertRow, type Condition, raiseAlert, raiseOrResolve, resolveAlerts } from "./alert.ts";

const VAULT = "vault";
const at = (hour: number): Date => new Date(Date.UTC(2026, 0, 1, hour));

function condition(changes: Partial<Condition> = {}): Condition {
  return {
    kind: "scrub.objects-missing",
    severity: "critical",
    instance: "1".repeat(32),
    instanceName: "lake",
    subject: "vault account",
    message: "2 objects are missing",
    details: { counts: { missing: 2 }, names: ["data/raw/a"] },
    ...changes,
  };
}

const all = (alerts: MemoryRecords<Alert>): Alert[] => Object.values(alerts.dump()[VAULT] ?? {});

test("raising the same alert twice keeps one, with the latest details", async ({ expect }) => {
  const alerts = new MemoryRecords<Alert>();
  await raiseAlert(alerts, VAULT, condition(), at(1));
  await raiseAlert(alerts, VAULT, condition({ message: "3 objects are missing" }), at(2));
  const [alert, ...others] = all(alerts);
  expect(others).toEqual([]);
  expect(Alert.parse(alert)).toEqual({
    ...condition({ message: "3 objects are missing" }),
    raisedAt: at(1).toISOString(),
    lastSeenAt: at(2).toISOString(),
  });
});

test("alerts of another instance, kind or subject are separate", async ({ expect }) => {
  const alerts = new MemoryRecords<Alert>();
  const others: Partial<Condition>[] = [
    {},
    { instance: "2".repeat(32) },
    { kind: "scrub.objects-altered" },
    { subject: "a/b#c?" },
  ];
  for (const changes of others) await raiseAlert(alerts, VAULT, condition(changes), at(1));
  expect(all(alerts)).toHaveLength(4);
  await resolveAlerts(alerts, VAULT, condition(), at(2));
  const resolved = all(alerts).filter(({ resolvedAt }) => resolvedAt === at(2).toISOString());
  expect(resolved.map(({ subject }) => subject).sort()).toEqual(["a/b#c?", "vault account"]);
});

test("a resolved alert stays resolved, and is raised again when the condition returns", async ({ expect }) => {
  const alerts = new MemoryRecords<Alert>();
  await raiseAlert(alerts, VAULT, condition(), at(1));
  await resolveAlerts(alerts, VAULT, condition(), at(2));
  await resolveAlerts(alerts, VAULT, condition(), at(3));
  expect(all(alerts)[0]?.resolvedAt).toBe(at(2).toISOString());
  await raiseAlert(alerts, VAULT, condition(), at(4));
  expect(all(alerts)).toEqual([{ ...condition(), raisedAt: at(4).toISOString(), lastSeenAt: at(4).toISOString() }]);
});

test("README says of every kind what it means and what to do", ({ expect }) => {
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
  const rows = readme.split("\n").filter((line) => line.startsWith("| `"));
  for (const kind of ALERT_KINDS)
    expect(
      rows.filter((line) => line.includes(`\`${kind}\``)),
      kind,
    ).toHaveLength(1);
  expect(ALERT_KINDS.length).toBeGreaterThan(5);
});

test("a condition that was found is raised, and resolved when it is not found any more", async ({ expect }) => {
  const alerts = new MemoryRecords<Alert>();
  const found = {
    kind: "backup.markers-left",
    severity: "warning",
    instance: "i",
    instanceName: "lake",
    subject: "s",
    message: "m",
    details: { counts: {}, names: [] },
  } as const;
  const check = (condition: Condition | undefined) =>
    raiseOrResolve(alerts, "v", { instance: "i", kind: "backup.markers-left" }, condition, new Date(0));
  await check(undefined);
  expect(alerts.size).toBe(0);
  await check({ ...found, details: { counts: {}, names: [] } });
  expect((await alerts.get("v", alertRow(found)))?.value.resolvedAt).toBeUndefined();
  await check(undefined);
  expect((await alerts.get("v", alertRow(found)))?.value.resolvedAt).toBe("1970-01-01T00:00:00.000Z");
});
