import { test } from "vitest";
import { present } from "./present.ts";

test("omits undefined members and keeps all others", ({ expect }) => {
  const until: string | undefined = undefined;
  const members = present({ until, from: "a", count: 0, text: "", nothing: null, is: false });
  expect(Object.keys(members)).toEqual(["from", "count", "text", "nothing", "is"]);
  expect(members).toEqual({ from: "a", count: 0, text: "", nothing: null, is: false });
});
