import { DAY_MS } from "../foundation/durations.ts";
import { ALL_SCHEDULES, scheduleRow } from "../instances/schedules.ts";
import { vaultKey } from "../instances/vault-record.ts";
import { slotsBetween } from "../policies/due-slot.ts";
import type { PolicyRecord } from "../policies/policy-record.ts";
import { type ApiCall, type ApiResponse, type InstancePath, ok } from "./api-call.ts";
import { requireInstance } from "./instance-resource.ts";
import { requireVault } from "./vault-resource.ts";

/** Slots that are told at most. */
const NEXT_SLOTS = 5;

/** How far ahead the next slots are looked for, step by step: many lie in a day, and some in no month. */
const HORIZONS_MS = [DAY_MS, 40 * DAY_MS, 400 * DAY_MS];

/** Tells how far the slots of an instance have come: which are next, which was handled last, and which were passed over. */
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
