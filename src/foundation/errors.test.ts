import { test } from "vitest";
import { toFailure } from "./errors.ts";

test("an error that nobody named keeps its words to itself", ({ expect }) => {
  const failure = toFailure(new TypeError("https://account/c/b?sig=SECRET"));
  expect(failure).toMatchObject({ code: "internal/unexpected", message: "unexpected TypeError" });
  expect(JSON.stringify(failure)).not.toContain("SECRET");
});
