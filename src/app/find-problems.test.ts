import { test } from "vitest";
import { VaultError } from "../foundation/errors.ts";
import { problemFinder } from "./find-problems.ts";

const clockAt = (at: { now: number }) => () => new Date(at.now);

test("a working service is no problem, a failing one is reported by its code only", async ({ expect }) => {
  const refused = new VaultError("storage/unavailable", "account 'secretname' at https://x?sig=abc does not answer");
  const find = problemFinder(
    [{ part: "durable client", reason: "WEBSITE_HOSTNAME is not set" }],
    [
      { part: "tables", check: async () => undefined },
      { part: "queues", check: () => Promise.reject(refused) },
      { part: "vault", check: () => Promise.reject(new Error("AccountKey=abc")) },
    ],
    clockAt({ now: 0 }),
  );
  expect(await find()).toEqual([
    { part: "durable client", reason: "WEBSITE_HOSTNAME is not set" },
    { part: "queues", reason: "storage/unavailable" },
    { part: "vault", reason: "internal/unexpected" },
  ]);
});

test("a service that does not answer in time is a problem", async ({ expect }) => {
  const find = problemFinder(
    [],
    [{ part: "tables", check: () => new Promise(() => undefined) }],
    clockAt({ now: 0 }),
    5,
  );
  expect(await find()).toEqual([{ part: "tables", reason: "no answer in 5 ms" }]);
});

test("however many ask, services are checked once in five seconds", async ({ expect }) => {
  const at = { now: 0 };
  let looks = 0;
  const find = problemFinder([], [{ part: "tables", check: async () => (looks += 1) }], clockAt(at));
  await Promise.all([find(), find()]);
  at.now = 4_999;
  await find();
  expect(looks).toBe(1);
  at.now = 5_000;
  await find();
  expect(looks).toBe(2);
});
