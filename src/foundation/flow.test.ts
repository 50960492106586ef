import { test } from "vitest";
import { VaultError } from "./errors.ts";
import { failureOfEvent, openOutcome } from "./flow.ts";

test("a failure survives the way through JSON", ({ expect }) => {
  const error = new VaultError("instance/busy", "busy", { hint: "wait" });
  const again = VaultError.of(JSON.parse(JSON.stringify(error.toFailure())));
  expect(again).toMatchObject({ code: "instance/busy", message: "busy", hint: "wait", retryable: false });
  expect(() => openOutcome({ ok: false, failure: error.toFailure() })).toThrow(again);
  expect(openOutcome({ ok: true, value: 1 })).toBe(1);
  expect(failureOfEvent(error.toFailure())).toMatchObject({ code: "instance/busy" });
  expect(failureOfEvent(null)).toMatchObject({ code: "internal/unexpected" });
});
