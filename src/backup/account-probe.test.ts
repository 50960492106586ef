import { test } from "vitest";
import { AccountProbe } from "./account-probe.ts";

test("a call is answered by a probe that started after it, and concurrent calls share one", async ({ expect }) => {
  const begun: (() => void)[] = [];
  const probe = new AccountProbe(() => new Promise((resolve) => begun.push(resolve)));
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  const done: string[] = [];
  const ask = (name: string) => void probe.check().then(() => done.push(name));
  ask("a");
  ask("b");
  await settle();
  expect(begun).toHaveLength(1);
  ask("c");
  ask("d");
  await settle();
  expect(begun).toHaveLength(1);
  begun[0]?.();
  await settle();
  expect(done).toEqual(["a", "b"]);
  expect(begun).toHaveLength(2);
  begun[1]?.();
  await settle();
  expect(done).toEqual(["a", "b", "c", "d"]);
});

test("a failed probe fails its callers, and the next one runs nevertheless", async ({ expect }) => {
  const answers = [new Error("away"), undefined];
  const probe = new AccountProbe(async () => {
    const answer = answers.shift();
    if (answer !== undefined) throw answer;
  });
  await expect(Promise.allSettled([probe.check(), probe.check()])).resolves.toMatchObject([
    { status: "rejected" },
    { status: "rejected" },
  ]);
  await expect(probe.check()).resolves.toBeUndefined();
});
