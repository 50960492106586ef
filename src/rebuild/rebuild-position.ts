import { VaultError } from "../foundation/errors.ts";

/** Position of a rebuild: vaults by key, then instances by id, and within an instance recovery points by id. */
export type RebuildPosition =
  | { readonly stage: "vaults"; readonly after: string }
  | { readonly stage: "instances"; readonly after: string }
  | { readonly stage: "points"; readonly instance: string; readonly after: string };

const START: RebuildPosition = { stage: "vaults", after: "" };

export function encodePosition(position: RebuildPosition): string {
  const { stage, after } = position;
  return stage === "points" ? `${stage}:${position.instance}:${after}` : `${stage}:${after}`;
}

/** @throws VaultError `request/invalid` */
export function decodePosition(text: string | undefined): RebuildPosition {
  if (text === undefined) return START;
  const [, stage, after = ""] = /^(vaults|instances):([0-9a-f]{32})$/.exec(text) ?? [];
  if (stage === "vaults" || stage === "instances") return { stage, after };
  const [, instance, point] = /^points:([0-9a-f]{32}):([^/:]+)$/.exec(text) ?? [];
  if (instance !== undefined && point !== undefined) return { stage: "points", instance, after: point };
  throw new VaultError("request/invalid", "the continuation is not from a rebuild", {
    hint: "rebuild without a continuation, from the start: existing rows are kept",
  });
}

/** Whether an instance is still to be done. */
export function isAhead(instance: string, position: RebuildPosition): boolean {
  switch (position.stage) {
    case "vaults":
      return true;
    case "instances":
      return instance > position.after;
    case "points":
      return instance >= position.instance;
  }
}
