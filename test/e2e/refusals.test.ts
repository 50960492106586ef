import { afterAll, beforeAll, test } from "vitest";
import { policyBody, restoreBody } from "../../local/demo/arm-bodies.ts";
import { ArmError } from "../../local/demo/arm-client.ts";
import { type Estate, openEstate } from "./support/estate.ts";
import { Scenario } from "./support/scenario.ts";

let estate: Estate;
let lake: Scenario;

beforeAll(async () => {
  estate = await openEstate();
  lake = new Scenario(estate);
  await lake.createContainers();
  await lake.fill(2);
  await lake.protect();
  await lake.wait(await lake.startBackup());
});

afterAll(async () => {
  await estate?.close();
});

/** Sends a request that must be refused. @returns status and code */
async function refusal(method: "GET" | "PUT" | "POST", path: string, body?: unknown): Promise<[number, string]> {
  try {
    const { status } = await estate.api.request(method, path, body);
    return [status, "no error"];
  } catch (error) {
    if (error instanceof ArmError) return [error.status, error.code];
    throw error;
  }
}

test("bad input is refused with a stable code, and nothing is written", async ({ expect }) => {
  const [raw = ""] = lake.containers;
  const other = `${lake.vault}/backupInstances/other`;
  const [point = ""] = await lake.recoveryPoints();
  const before = (await lake.get(lake.instance)).body;

  const cases: readonly [string, [number, string], [number, string]][] = [
    [
      "an unknown account",
      await refusal("PUT", other, lake.instanceBody([raw], "nobody")),
      [400, "UserErrorAzureResourceNotFoundByPlugin"],
    ],
    [
      "a container that does not exist",
      await refusal("PUT", lake.instance, lake.instanceBody(["nowhere"])),
      [400, "UserErrorIncorrectContainersSelectedForOperation"],
    ],
    [
      "a datasource that is protected already",
      await refusal("PUT", other, lake.instanceBody([raw])),
      [409, "DatasourceAlreadyProtected"],
    ],
    [
      "a broken policy",
      await refusal("PUT", `${lake.vault}/backupPolicies/broken`, policyBody("every day")),
      [400, "InvalidBackupPolicy"],
    ],
    [
      "a restore to the source",
      await refusal("POST", `${lake.instance}/restore`, restoreBody(point, "prodlake")),
      [400, "UserErrorOriginalLocationRestoreNotSupported"],
    ],
    [
      "a recovery point that is not there",
      await refusal("POST", `${lake.instance}/restore`, restoreBody("0".repeat(32), "restored")),
      [404, "ResourceNotFound"],
    ],
    ["a body of 2 MiB", await refusal("PUT", lake.policy, "x".repeat(2 * 1024 * 1024)), [413, "RequestEntityTooLarge"]],
    ["a wrong path", await refusal("GET", `${lake.vault}/nonsense`), [404, "InvalidResourceType"]],
    ["a wrong method", await refusal("POST", lake.policy, {}), [405, "MethodNotAllowed"]],
    ["no api-version", await refusal("GET", `${lake.vault}?api-version=`), [400, "MissingApiVersionParameter"]],
  ];
  for (const [what, got, wanted] of cases) expect.soft(got, what).toEqual(wanted);

  expect((await lake.get(lake.instance)).body).toEqual(before);
  expect(await refusal("GET", other)).toEqual([404, "ResourceNotFound"]);
  expect(await refusal("GET", `${lake.vault}/backupPolicies/broken`)).toEqual([404, "ResourceNotFound"]);
  const jobs = (await lake.get(`${lake.vault}/backupJobs`)).body as { value: unknown[] };
  expect(jobs.value).toHaveLength(1);
});

test("a restore into a container that exists is refused, and the container is left as it was", async ({ expect }) => {
  const [raw = ""] = lake.containers;
  const [point = ""] = await lake.recoveryPoints();
  await estate.blobs("restored").createContainer(raw);
  for (const operation of ["restore", "validateRestore"]) {
    const body = restoreBody(point, "restored");
    const sent = operation === "restore" ? body : { restoreRequestObject: body };
    expect(await refusal("POST", `${lake.instance}/${operation}`, sent)).toEqual([
      409,
      "UserErrorTargetContainersExistOnAccount",
    ]);
  }
  const container = estate.blobs("restored").getContainerClient(raw);
  expect((await container.listBlobsFlat().next()).done).toBe(true);
  await lake.emptyTarget();
});

test("health is answered without an api-version", async ({ expect }) => {
  const response = await fetch(`${estate.baseUrl}/api/health`);
  expect(response.status).toBe(200);
});
