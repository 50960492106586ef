import { test } from "vitest";
import { itemsOf, refusalOf } from "../../test/support/arm-answers.ts";
import { INSTANCE_ID, MemoryApp, VAULT_ID } from "../../test/support/memory-app.ts";
import { raiseAlert } from "../alerts/contract.ts";
import { backupInstanceId, vaultKey } from "../instances/contract.ts";
import { NOTHING_COUNTED, SCRUB_ROW } from "../scrub/contract.ts";

const KEY = vaultKey(VAULT_ID);

test("a scrub by hand is a job, and a second one waits for the first", async ({ expect }) => {
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
    counts: NOTHING_COUNTED,
    damage: [],
    hasUnreadSegments: false,
    first: { missing: [], altered: [], manifests: [], unconfirmed: [] },
  });
  expect(refusalOf(await app.call("POST", path))[2]).toBe("instance/busy");
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
