/**
 * @module
 * Alerts for operators. An alert stands for a condition, not for a moment: finding the same condition again updates the
 * same alert, and a check that no longer finds it resolves the alert.
 */
import { z } from "zod";
import { deriveId } from "../foundation/ids.ts";
import { listRecords, type RecordTable, updateRecord } from "../foundation/records.ts";

export const ALERT_SEVERITIES = ["warning", "critical"] as const;

/** Every kind of alert. README's table says what each means and what to do. */
export const ALERT_KINDS = [
  "backup.markers-left",
  "backup.point-incomplete",
  "job.stalled",
  "scrub.manifests-damaged",
  "scrub.md5-unconfirmed",
  "scrub.objects-altered",
  "scrub.objects-missing",
] as const;

export type AlertKind = (typeof ALERT_KINDS)[number];

/** Max names that an alert lists; all others are only counted. */
export const MAX_ALERT_NAMES = 20;

/** Partition: vault key; row: {@link alertRow}. */
export const Alert = z.object({
  /** One of {@link ALERT_KINDS}, or one that a newer version has written. */
  kind: z.string(),
  severity: z.enum(ALERT_SEVERITIES),
  /** Id of the backup instance, 32 hexadecimal digits. */
  instance: z.string(),
  /** Row key of the backup instance: its name in lower case. */
  instanceName: z.string(),
  /** What it is about within the instance; several alerts of one kind differ by it. */
  subject: z.string(),
  /** Human-readable text. */
  message: z.string(),
  details: z.object({
    counts: z.record(z.string(), z.number()),
    /** The first names. */
    names: z.array(z.string()).max(MAX_ALERT_NAMES),
  }),
  /** When the condition was first found since it was last absent, ISO 8601 UTC. */
  raisedAt: z.string(),
  /** When it was last found, ISO 8601 UTC. */
  lastSeenAt: z.string(),
  /** When a check no longer found it, ISO 8601 UTC. Absent: the alert is open. */
  resolvedAt: z.string().optional(),
});

export type Alert = Readonly<z.infer<typeof Alert>>;

/** A condition that was found, without the time. */
export type Condition = Omit<Alert, "kind" | "raisedAt" | "lastSeenAt" | "resolvedAt"> & { readonly kind: AlertKind };

/** The same for the same condition, so that raising it again creates no second alert. */
export function alertRow({ instance, kind, subject }: Pick<Alert, "instance" | "kind" | "subject">): string {
  return `${alertPrefix(instance, kind)}${deriveId("alert", subject)}`;
}

function alertPrefix(instance: string, kind: string): string {
  return `${instance}|${kind}|`;
}

/**
 * Raises or updates an alert. A resolved one is raised again.
 *
 * Safe to run twice: the row depends on the condition only.
 */
export async function raiseAlert(
  alerts: RecordTable<Alert>,
  vault: string,
  condition: Condition,
  now: Date,
): Promise<void> {
  const at = now.toISOString();
  const row = alertRow(condition);
  const fresh: Alert = { ...condition, raisedAt: at, lastSeenAt: at };
  if (await alerts.insert(vault, row, fresh)) return;
  await updateRecord(alerts, vault, row, (before) =>
    before.resolvedAt === undefined ? { ...fresh, raisedAt: before.raisedAt } : fresh,
  );
}

/** Resolves the open alerts of a kind for an instance when a check finds nothing. Safe to run twice. */
export async function resolveAlerts(
  alerts: RecordTable<Alert>,
  vault: string,
  { instance, kind }: Pick<Condition, "instance" | "kind">,
  now: Date,
): Promise<void> {
  for await (const { row } of listRecords(alerts, vault, alertPrefix(instance, kind))) {
    await updateRecord(alerts, vault, row, (alert) =>
      alert.resolvedAt === undefined ? { ...alert, resolvedAt: now.toISOString() } : alert,
    );
  }
}

/**
 * Raises the alert of a condition that was found, or resolves those of its kind when it was not. Safe to run twice.
 *
 * @param found - undefined: the check found nothing
 */
export async function raiseOrResolve(
  alerts: RecordTable<Alert>,
  vault: string,
  checked: Pick<Condition, "instance" | "kind">,
  found: Condition | undefined,
  now: Date,
): Promise<void> {
  if (found !== undefined) await raiseAlert(alerts, vault, found, now);
  else await resolveAlerts(alerts, vault, checked, now);
}
