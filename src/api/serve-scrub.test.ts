import { describe, test } from "vitest";
import { itemsOf, refusalOf } from "../../test/support/arm-answers.ts";
import { interleave, ordersOfTwo } from "../../test/support/interleave.ts";
import { INSTANCE_ID, MemoryApp, VAULT_ID } from "../../test/support/memory-app.ts";
import { raiseAlert } from "../alerts/alert.ts";
import { backupInstanceId } from "../instances/backup-instance.ts";
import { vaultKey } from "../instances/vault-record.ts";
import { NO_SCRUB_COUNTS, SCRUB_ROW } from "../scrub/scrub-state.ts";

const KEY = vaultKey(VAULT_ID);

test("a requested scrub is a job, and further requests while one runs, by hand or not, get that job", async ({
  expect,
}) => {
  const app = new MemoryApp();
  await app.protect();
  const path = `/api${INSTANCE_ID}/scrub`;
  expect((await app.call("POST", path)).status).toBe(202);
  const [job] = itemsOf<{ name: string; properties: object }>(await app.call("GET", `${VAULT_ID}/backupJobs`));
  expect(job?.properties).toMatchObject({ operation: "Scrub", operationCategory: "Management", status: "InProgress" });
  expect(app.orchestrations.started).toMatchObject([{ name: "scrub" }]);
  await app.tables.scrubs.put(backupInstanceId(INSTANCE_ID), SCRUB_ROW, {
    round: 1,
    job: job?.name ?? "",
    takenUpAt: "2026-03-02T10:00:00.000Z",
    startedAt: "2026-03-02T10:00:00.000Z",
    upTo: 1,
    position: { phase: "files", after: "" },
    counts: NO_SCRUB_COUNTS,
    damage: [],
    hasUnreadSegments: false,
    first: { missing: [], altered: [], manifests: [], unconfirmed: [] },
  });
  const joined = await app.call("POST", path);
  expect(joined.status).toBe(202);
  expect(itemsOf(await app.call("GET", `${VAULT_ID}/backupJobs`))).toHaveLength(1);
  // One that was started by the schedule has no turn.
  await app.tables.locks.remove(backupInstanceId(INSTANCE_ID), "scrub");
  const { headers } = await app.call("POST", path);
  expect(headers["azure-asyncoperation"]).toBe(joined.headers["azure-asyncoperation"]);
  expect(itemsOf(await app.call("GET", `${VAULT_ID}/backupJobs`))).toHaveLength(1);
});

test("a scrub that is being cancelled is not joined, and one that has ended is followed by another", async ({
  expect,
}) => {
  const app = new MemoryApp();
  await app.protect();
  const path = `/api${INSTANCE_ID}/scrub`;
  await app.call("POST", path);
  const [id, job] = Object.entries(app.tables.jobs.dump()[KEY] ?? {})[0] ?? [];
  if (id === undefined || job === undefined) throw new Error("no job");
  await app.tables.jobs.put(KEY, id, { ...job, status: "Cancelling" });
  expect(refusalOf(await app.call("POST", path))[2]).toBe("instance/busy");
  await app.tables.jobs.put(KEY, id, { ...job, status: "Cancelled" });
  expect((await app.call("POST", path)).status).toBe(202);
  expect(app.orchestrations.started).toHaveLength(2);
});

describe.for(["scrub", "retention"] as const)("of %ss", (kind) => {
  const path = `/api${INSTANCE_ID}/${kind}`;

  test("twenty concurrent requests are one job, and all get it", async ({ expect }) => {
    const app = new MemoryApp();
    await app.protect();
    const answers = await Promise.all(Array.from({ length: 20 }, () => app.call("POST", path)));
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(202));
    expect(new Set(answers.map(({ headers }) => headers["azure-asyncoperation"])).size).toBe(1);
    expect(itemsOf(await app.call("GET", `${VAULT_ID}/backupJobs`))).toHaveLength(1);
    expect(app.orchestrations.started).toHaveLength(1);
  });

  test("two requests are one job in whatever order their calls arrive", async ({ expect }) => {
    let orders = 0;
    for (const turns of [...ordersOfTwo([12, 12])].filter((_, n) => n % 9 === 0)) {
      orders += 1;
      const app = new MemoryApp();
      await app.protect();
      const ask = (wrap: <T extends object>(ports: T) => T) => {
        const { deps } = app;
        return app.call("POST", path, { deps: { ...deps, tables: wrap(deps.tables) } });
      };
      const { results, calls } = await interleave([ask, ask], turns);
      const where = `${JSON.stringify(turns)} ${calls}`;
      expect(
        results.map(({ status }) => status),
        where,
      ).toEqual([202, 202]);
      expect(app.orchestrations.started, where).toHaveLength(1);
    }
    expect(orders).toBeGreaterThan(100);
  });
});

test("alerts are listed by vault, without an api-version", async ({ expect }) => {
  const app = new MemoryApp();
  await app.protect();
  await raiseAlert(
    app.tables.alerts,
    KEY,
    {
      kind: "scrub.objects-missing",
      severity: "critical",
      instance: backupInstanceId(INSTANCE_ID),
      instanceName: "prodlake-prodlake-1",
      subject: "",
      message: "one object is missing",
      details: { counts: { missing: 1 }, names: ["raw/a"] },
    },
    app.now,
  );
  const url = new URL(`/api${VAULT_ID}/alerts`, "http://localhost:7071");
  const answer = await app.send({ method: "GET", url, headers: {}, body: async () => "" });
  expect(itemsOf(answer)).toMatchObject([
    { kind: "scrub.objects-missing", severity: "critical", raisedAt: "2026-03-02T10:00:00.000Z" },
  ]);
});
