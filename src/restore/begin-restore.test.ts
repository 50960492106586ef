import { test } from "vitest";
import { backedUp, contentsOf } from "../../test/support/backed-up-lake.ts";

test("only the chosen containers are restored", async ({ expect }) => {
  const { lake, point } = await backedUp();
  const ref = await lake.requestRestore("restore", point, ["raw"]);
  await lake.restoreSegments(await lake.beginRestore(ref));
  expect(await lake.endRestore(ref)).toBe("Completed");
  expect([...lake.target.containers.keys()]).toEqual(["raw"]);
});

test("a container that exists in the target is refused before anything is written", async ({ expect }) => {
  const { lake, point } = await backedUp();
  lake.target.createContainer("raw");
  const ref = await lake.requestRestore("restore", point);
  await expect(lake.beginRestore(ref)).rejects.toMatchObject({
    code: "restore/target-container-exists",
    message: "account 'target' already has 'raw'",
  });
  expect([...lake.target.containers.keys()]).toEqual(["raw"]);
});

test("an unknown recovery point and an unknown container are refused", async ({ expect }) => {
  const { lake, point } = await backedUp();
  const unknown = await lake.requestRestore("one", "nowhere");
  await expect(lake.beginRestore(unknown)).rejects.toMatchObject({ code: "recovery-point/not-found" });
  const wrong = await lake.requestRestore("two", point, ["raw", "nowhere"]);
  await expect(lake.beginRestore(wrong)).rejects.toMatchObject({ code: "restore/container-not-in-recovery-point" });
  expect(lake.target.containers.size).toBe(0);
});

test("a repeated begin and a repeated message change nothing", async ({ expect }) => {
  const { lake, point } = await backedUp();
  const ref = await lake.requestRestore("restore", point);
  const messages = await lake.beginRestore(ref);
  expect(await lake.beginRestore(ref)).toEqual(messages);
  await lake.restoreSegments(messages);
  const once = contentsOf(lake);
  await lake.restoreSegments(messages);
  expect(contentsOf(lake)).toEqual(once);
  expect(await lake.endRestore(ref)).toBe("Completed");
  expect((await lake.job("restore")).totals).toMatchObject({ entries: 40, copied: 40 });
});
