/**
 * @module
 * The functions of the current app, loaded into this process with the real library.
 */
import type { CallableFunctions } from "../../local/host/durable/testing/histories.ts";
import { registeredFunctions } from "../../local/host/durable/testing/scripted-app.ts";

await import("../../functions/index.ts");

const FUNCTIONS = registeredFunctions();

function namesOf(trigger: string): string[] {
  return FUNCTIONS.filter((definition) => definition.trigger.type === trigger).map(({ name }) => name);
}

/** Names of all orchestrations that the app registers. */
export const ORCHESTRATIONS: readonly string[] = namesOf("orchestrationTrigger");

/** What an orchestration of the app can call. */
export const CALLABLE: CallableFunctions = {
  activities: new Map(namesOf("activityTrigger").map((name) => [name.toLowerCase(), name])),
  orchestrators: new Map(ORCHESTRATIONS.map((name) => [name.toLowerCase(), name])),
};
