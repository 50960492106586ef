import { test } from "vitest";
import { z } from "zod";
import { contexts } from "../../test/support/invocation-contexts.ts";
import { VaultError } from "../foundation/errors.ts";
import type { Activity } from "../foundation/flow.ts";
import { serveActivity } from "./serve-activity.ts";

const half: Activity<number, number> = { name: "half", parse: (input) => z.number().parse(input) };

test("an activity's result travels as a value", async ({ expect }) => {
  const { context, fake } = contexts();
  expect(await serveActivity(half, async (n) => n / 2)(8, context)).toEqual({ ok: true, value: 4 });
  expect(fake.logged).toEqual([]);
});

test("a lasting failure travels as a value, so that it is not tried again", async ({ expect }) => {
  const { context } = contexts();
  const body = async (): Promise<number> => {
    throw new VaultError("instance/busy", "job 'x' is at work", { hint: "wait" });
  };
  expect(await serveActivity(half, body)(8, context)).toEqual({
    ok: false,
    failure: { code: "instance/busy", message: "job 'x' is at work", hint: "wait" },
  });
});

test("a retryable failure is thrown with its code in front", async ({ expect }) => {
  const { context, fake } = contexts();
  const body = async (): Promise<number> => {
    throw new VaultError("storage/throttled", "the vault account is asked for more than it can do");
  };
  await expect(serveActivity(half, body)(8, context)).rejects.toThrow(
    "storage/throttled: the vault account is asked for more than it can do",
  );
  expect(fake.logged).toHaveLength(1);
});

test("an error without a name is thrown without its words, which are logged without secrets", async ({ expect }) => {
  const { context, fake } = contexts();
  const body = async (): Promise<number> => {
    throw new TypeError("cannot read https://a.b/c?sig=secret");
  };
  const thrown = await serveActivity(half, body)(8, context).catch((error: unknown) => error);
  expect(thrown).toMatchObject({ message: "internal/unexpected: unexpected TypeError" });
  expect(thrown).not.toHaveProperty("cause");
  expect(fake.logged).toMatchObject([["activity 'half'", { name: "TypeError", message: "cannot read https://a.b/c" }]]);
});

test("input that is none is thrown, too", async ({ expect }) => {
  const { context } = contexts();
  await expect(serveActivity(half, async (n) => n)("eight", context)).rejects.toThrow(
    "internal/unexpected: unexpected ZodError",
  );
});
