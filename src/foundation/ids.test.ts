import { test } from "vitest";
import { deriveId, deriveUuid } from "./ids.ts";

test("an id is the same for the same parts and another for others", ({ expect }) => {
  expect(deriveUuid("a", "b")).toBe(deriveUuid("a", "b"));
  expect(deriveUuid("a", "b")).not.toBe(deriveUuid("ab"));
  expect(deriveId("a")).toMatch(/^[0-9a-f]{12}5[0-9a-f]{19}$/);
  // Ids are in vaults; this one guards the namespace and the way they are made.
  expect(deriveUuid("a", "b")).toBe("03edec3b-c827-5ce2-9bf0-93e37a9d28ba");
});
