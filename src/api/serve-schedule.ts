import { DAY_MS } from "../foundation/durations.ts";
import { ALL_SCHEDULES, scheduleRow } from "../instances/schedules.ts";
import { vaultKey } from "../instances/vault-record.ts";
import { slotsBetween } from "../policies/due-slot.ts";
import type { PolicyRecord } from "../policies/policy-record.ts";
import { type ApiCall, type ApiResponse, type InstancePath, ok } from "./api-call.ts";
import { requireInstance } from "./instance-resource.ts";
import { requireVault } from "./vault-resource.ts";

/** Max slots in the response. */
const NEXT_SLOTS = 5;

/** Time steps for the search of the next slots: a day may have many, a month none. */
const HORIZONS_MS = [DAY_MS, 40 * DAY_MS, 400 * DAY_MS];

/** Returns the schedule state of an instance: the next slots, the last handled one, and those that were skipped. */
export async function getSchedule(call: ApiCall<InstancePath>): Promise<ApiResponse> {
  const { deps, params } = call;
  const vault = await requireVault(deps, params);
  const instance = await requireInstance(deps, vault, params.instance);
  const key = vaultKey(vault.armId);
  const stored = await deps.tables.schedules.get(ALL_SCHEDULES, scheduleRow(key, instance.name.toLowerCase()));
  const policy = (await deps.tables.policies.get(key, instance.policyName.toLowerCase()))?.value;
  const isProtected = instance.protectionState === "ProtectionConfigured";
  return ok({
    nextSlots: isProtected && policy !== undefined ? nextSlots(policy, deps.clock()) : [],
    ...(stored?.value.handledUpTo === undefined ? {} : { handledUpTo: stored.value.handledUpTo }),
    passedOver: stored?.value.passedOver ?? { count: 0, newest: [] },
  });
}

function nextSlots({ backupRule, slotsAfter }: PolicyRecord, now: Date): string[] {
  const after = new Date(Math.max(now.getTime(), slotsAfter === undefined ? 0 : Date.parse(slotsAfter)));
  let slots: readonly Date[] = [];
  for (const horizon of HORIZONS_MS) {
    slots = slotsBetween(backupRule?.intervals ?? [], { after, until: new Date(after.getTime() + horizon) });
    if (slots.length >= NEXT_SLOTS) break;
  }
  return slots.slice(0, NEXT_SLOTS).map((slot) => slot.toISOString());
}
