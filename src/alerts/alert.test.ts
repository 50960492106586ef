import { test } from "vitest";
import { MemoryRecords } from "../../test/support/memory-records.ts";
import { Alert, type Condition, raiseAlert, resolveAlerts } from "./alert.ts";

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
  const others: Partial<Condition>[] = [{}, { instance: "2".repeat(32) }, { kind: "other" }, { subject: "a/b#c?" }];
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
