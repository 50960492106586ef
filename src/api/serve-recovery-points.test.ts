import { describe, test } from "vitest";
import { itemsOf, nextLinkOf, refusalOf } from "../../test/support/arm-answers.ts";
import { INSTANCE_ID, MemoryApp, VAULT_ID } from "../../test/support/memory-app.ts";
import { DAY_MS } from "../foundation/durations.ts";
import { VaultError } from "../foundation/errors.ts";
import { deriveId } from "../foundation/ids.ts";
import { backupInstanceId } from "../instances/backup-instance.ts";
import type { RecoveryPoint } from "../instances/recovery-point.ts";
import { readRange } from "./serve-recovery-points.ts";

const INSTANCE = backupInstanceId(INSTANCE_ID);
const LIST = `${INSTANCE_ID}/recoveryPoints`;

function pointOf(day: number, changes: Partial<RecoveryPoint> = {}): RecoveryPoint {
  const time = new Date(Date.parse("2026-01-01T02:00:01.000Z") + day * DAY_MS).toISOString();
  return {
    id: deriveId("point", String(day)),
    sequence: day + 1,
    instance: INSTANCE,
    job: `job-${day}`,
    slot: time,
    time,
    sealedAt: time,
    tag: "Default",
    policy: "Daily",
    containers: ["raw"],
    entries: 5,
    bytes: 50,
    warnings: 0,
    ...changes,
  };
}

async function withPoints(...points: readonly RecoveryPoint[]): Promise<MemoryApp> {
  const app = new MemoryApp();
  await app.protect();
  for (const point of points) await app.tables.recoveryPoints.put(INSTANCE, point.id, point);
  return app;
}

test("a recovery point has its time, tag, policy and expiry", async ({ expect }) => {
  const point = pointOf(0);
  const app = await withPoints(point);
  const { status, body } = await app.call("GET", `${LIST}/${point.id}`);
  expect(status).toBe(200);
  expect(body).toEqual({
    id: `${LIST}/${point.id}`,
    name: point.id,
    type: "Microsoft.DataProtection/backupVaults/backupInstances/recoveryPoints",
    properties: {
      objectType: "AzureBackupDiscreteRecoveryPoint",
      recoveryPointId: point.id,
      recoveryPointTime: "2026-01-01T02:00:01.000Z",
      recoveryPointType: "Discrete",
      recoveryPointState: "Completed",
      friendlyName: point.id,
      policyName: "Daily",
      retentionTagName: "Default",
      expiryTime: "2026-01-31T02:00:01.000Z",
      recoveryPointDataStoresDetails: [
        {
          id: expect.stringMatching(/^[0-9a-f-]{36}$/),
          type: "VaultStore",
          creationTime: point.sealedAt,
          expiryTime: "2026-01-31T02:00:01.000Z",
          state: "COMMITTED",
          visible: true,
          metaData: '{"sequence":1,"containers":["raw"],"entries":5,"bytes":50,"warnings":0,"job":"job-0"}',
        },
      ],
    },
  });
  expect((await app.call("GET", `${LIST}/${point.id.toUpperCase()}`)).status).toBe(200);
});

test("a point with warnings is partial, and one whose tag no rule has never expires", async ({ expect }) => {
  const app = await withPoints(
    pointOf(0, { warnings: 2 }),
    pointOf(1, { tag: "Gone" }),
    pointOf(2, { policy: "gone" }),
  );
  const properties = itemsOf<{ properties: object }>(await app.call("GET", LIST)).map((item) => item.properties);
  expect(properties).toMatchObject([
    // The policy in force counts, whichever created it.
    { recoveryPointState: "Completed", expiryTime: "2026-02-02T02:00:01.000Z" },
    { recoveryPointState: "Completed" },
    { recoveryPointState: "Partial", expiryTime: "2026-01-31T02:00:01.000Z" },
  ]);
  expect(properties[1]).not.toHaveProperty("expiryTime");
});

test("a damaged point is partial, and says what a scrub has found", async ({ expect }) => {
  const damage = { foundAt: "2026-03-01T00:00:00.000Z", missing: 1, altered: 2, manifests: 0 };
  const app = await withPoints(pointOf(0, { damage }));
  const [point] = itemsOf<{ properties: object }>(await app.call("GET", LIST));
  expect(point?.properties).toMatchObject({
    recoveryPointState: "Partial",
    recoveryPointDataStoresDetails: [{ metaData: expect.stringContaining(JSON.stringify({ damage }).slice(1, -1)) }],
  });
});

test("in an immutable vault the later of rule and promise counts, and a stopped instance has no expiry", async ({
  expect,
}) => {
  const app = await withPoints(pointOf(0, { promisedUntil: "2029-01-01T00:00:00.000Z" }));
  const expiry = async () => {
    const [point] = itemsOf<{ properties: { expiryTime?: string } }>(await app.call("GET", LIST));
    return point?.properties.expiryTime;
  };
  expect(await expiry()).toBe("2026-01-31T02:00:01.000Z");
  const security = { immutabilitySettings: { state: "Unlocked" } };
  await app.call("PATCH", VAULT_ID, { body: { properties: { securitySettings: security } } });
  expect(await expiry()).toBe("2029-01-01T00:00:00.000Z");
  await app.call("POST", `${INSTANCE_ID}/stopProtection`);
  expect(await expiry()).toBeUndefined();
});

test("recovery points are listed newest first, page by page", async ({ expect }) => {
  const points = Array.from({ length: 230 }, (_, day) => pointOf(day));
  const app = await withPoints(...points);
  const pages: string[][] = [];
  let link: string | undefined = LIST;
  while (link !== undefined) {
    const page = await app.call("GET", link);
    pages.push(itemsOf(page).map(({ name }) => name));
    link = nextLinkOf(page);
  }
  expect(pages.map((page) => page.length)).toEqual([100, 100, 30]);
  expect(pages.flat()).toEqual(points.map(({ id }) => id).reverse());
});

test("the CLI's filter bounds the list, on all of its pages", async ({ expect }) => {
  const points = Array.from({ length: 150 }, (_, day) => pointOf(day));
  const app = await withPoints(...points);
  const $filter = "startDate eq '2026-01-11T00:00:00.0000000Z' and endDate eq '2026-05-20T02:00:01Z'";
  const first = await app.call("GET", LIST, { query: { $filter } });
  const second = await app.call("GET", nextLinkOf(first) ?? "");
  expect(nextLinkOf(second)).toBeUndefined();
  expect([...itemsOf(first), ...itemsOf(second)].map(({ name }) => name)).toEqual(
    points
      .slice(10, 140)
      .map(({ id }) => id)
      .reverse(),
  );
});

describe("a filter", () => {
  const from = Date.parse("2026-01-02T00:00:00Z");
  test.for([
    ["", Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
    ["  ", Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
    ["startDate eq '2026-01-02T00:00:00Z'", from, Number.POSITIVE_INFINITY],
    ["ENDDATE EQ '2026-01-02T01:00:00+01:00'", Number.NEGATIVE_INFINITY, from],
    ["endDate eq '2026-01-02' AND startDate eq '2026-01-02T00:00'", from, from],
  ] as const)("'%s' is read", ([filter, start, end], { expect }) => {
    expect(readRange(filter)).toEqual({ from: start, until: end });
  });

  test.for([
    ["startDate ge '2026-01-02T00:00:00Z'"],
    ["startDate eq 'yesterday'"],
    ["startDate eq 2026-01-02"],
    ["startDate eq '2026-01-02' or endDate eq '2026-01-02'"],
    ["properties/tag eq 'x'"],
    ["and"],
  ] as const)("'%s' is refused", ([filter], { expect }) => {
    expect(() => readRange(filter)).toThrow(VaultError);
  });

  test("that is invalid is reported to the caller", async ({ expect }) => {
    const app = await withPoints(pointOf(0));
    expect(refusalOf(await app.call("GET", LIST, { query: { $filter: "nonsense" } }))).toEqual([
      400,
      "UserErrorInvalidParameterInRequest",
      "request/invalid",
    ]);
  });
});

test("an unknown recovery point is not found, nor one of another instance", async ({ expect }) => {
  const app = await withPoints();
  await app.tables.recoveryPoints.put("other", pointOf(0).id, pointOf(0));
  for (const id of [pointOf(0).id, "unknown-point"]) {
    expect(refusalOf(await app.call("GET", `${LIST}/${id}`))).toEqual([
      404,
      "ResourceNotFound",
      "recovery-point/not-found",
    ]);
  }
  expect(itemsOf(await app.call("GET", LIST))).toEqual([]);
});
