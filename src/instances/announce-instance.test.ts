/**
 * @module A deletion concurrent with a request that needs what is deleted, in call orders with up to three switches
 *   between the two.
 */

import { describe, test } from "vitest";
import { interleave, ordersOfTwo, type Turns } from "../../test/support/interleave.ts";
import {
  INSTANCE_ID,
  instanceBody,
  MemoryApp,
  POLICY_ID,
  policyBody,
  VAULT_ID,
  vaultBody,
} from "../../test/support/memory-app.ts";
import type { ApiResponse } from "../api/api-call.ts";
import { FULL_SAFETY } from "../foundation/safety.ts";
import { vaultKey } from "./vault-record.ts";

const WEEKLY_ID = `${VAULT_ID}/backupPolicies/weekly`;

interface Request {
  readonly method: string;
  readonly path: string;
  readonly body?: object;
}

/** The vault and two policies; with an instance assigned to the second where a case needs one. */
async function appWith(hasInstance: boolean): Promise<MemoryApp> {
  const app = new MemoryApp();
  const made: Request[] = [
    { method: "PUT", path: VAULT_ID, body: vaultBody() },
    { method: "PUT", path: POLICY_ID, body: policyBody() },
  ];
  if (hasInstance) {
    made.push(
      { method: "PUT", path: WEEKLY_ID, body: policyBody() },
      { method: "PUT", path: INSTANCE_ID, body: instanceBody({ policyId: WEEKLY_ID }) },
    );
  }
  for (const { method, path, body } of made) await app.call(method, path, { body });
  return app;
}

async function run(app: MemoryApp, requests: readonly Request[], turns: Turns) {
  return await interleave(
    requests.map(({ method, path, body }) => (wrap): Promise<ApiResponse> => {
      const { deps } = app;
      const waiting = { ...deps, tables: wrap(deps.tables), files: wrap(deps.files) };
      return app.call(method, path, { body, deps: waiting });
    }),
    turns,
  );
}

/** What must hold whenever nothing is running. */
function problemsOf(app: MemoryApp): string[] {
  const problems: string[] = [];
  const vaults = Object.values(app.tables.vaults.dump()).flatMap((rows) => Object.values(rows));
  const policies = Object.values(app.tables.policies.dump()).flatMap((rows) => Object.values(rows));
  const instances = Object.values(app.tables.instances.dump()).flatMap((rows) => Object.values(rows));
  for (const { name, policyName } of instances) {
    if (!policies.some((policy) => policy.name === policyName)) problems.push(`'${name}' has no policy`);
  }
  if (vaults.length === 0 && policies.length + instances.length > 0) problems.push("there is no vault");
  for (const row of [...vaults, ...policies]) if ("deletingSince" in row) problems.push(`'${row.name}' is marked`);
  if (Object.keys(app.tables.claims.dump()[vaultKey(VAULT_ID)] ?? {}).some((row) => row.startsWith("~"))) {
    problems.push("an announcement is left");
  }
  const files = [...app.files.containers.values()].flatMap((container) => [...container.keys()]);
  const documents = files.filter((path) => path.startsWith("policies/")).length;
  if (documents !== policies.length) problems.push(`${policies.length} policies have ${documents} documents`);
  if (files.includes("vault.json") !== vaults.length > 0) problems.push("vault.json is not as its row");
  return problems;
}

const DELETE_POLICY: Request = { method: "DELETE", path: POLICY_ID };
const DELETE_VAULT: Request = { method: "DELETE", path: VAULT_ID };
const PUT_INSTANCE: Request = { method: "PUT", path: INSTANCE_ID, body: instanceBody() };
const PUT_POLICY: Request = { method: "PUT", path: POLICY_ID, body: policyBody({ keep: "P9D" }) };
const TAGS = { tags: { team: "other" } };

/** Of some thousand orders this many are tried, evenly spread; all of them take some minutes. */
const MAX_ORDERS = 120;

test.for([
  ["deleting a policy", "putting an instance under it", DELETE_POLICY, PUT_INSTANCE, false, "one"],
  ["deleting a policy", "moving an instance under it", DELETE_POLICY, PUT_INSTANCE, true, "one"],
  ["deleting a policy", "changing it", DELETE_POLICY, PUT_POLICY, false, "any"],
  ["deleting a policy", "deleting it", DELETE_POLICY, DELETE_POLICY, false, "any"],
  ["deleting a vault", "putting an instance into it", DELETE_VAULT, PUT_INSTANCE, false, "one"],
  ["deleting a vault", "putting a policy into it", DELETE_VAULT, { ...PUT_POLICY, path: WEEKLY_ID }, false, "any"],
  ["deleting a vault", "changing its policy", DELETE_VAULT, PUT_POLICY, false, "any"],
  ["deleting a vault", "deleting its policy", DELETE_VAULT, DELETE_POLICY, false, "any"],
  ["deleting a vault", "putting it", DELETE_VAULT, { method: "PUT", path: VAULT_ID, body: vaultBody() }, false, "any"],
  ["deleting a vault", "changing it", DELETE_VAULT, { method: "PATCH", path: VAULT_ID, body: TAGS }, false, "any"],
  ["deleting a vault", "deleting it", DELETE_VAULT, DELETE_VAULT, false, "any"],
] as const)(
  "%s beside %s leaves nothing without what it needs",
  { timeout: 120_000 },
  async ([, , deletion, other, hasInstance, maxDone], { expect }) => {
    const requests = [deletion, other];
    const counted = await run(await appWith(hasInstance), requests, []);
    const otherFirst = await run(await appWith(hasInstance), requests, [{ request: 1, calls: 999 }]);
    const callsOf = (request: 0 | 1) => Math.max(counted.calls[request] ?? 0, otherFirst.calls[request] ?? 0);
    const seen = { orders: 0, first: 0, second: 0 };
    const orders = [...ordersOfTwo([callsOf(0), callsOf(1)])];
    const step = Math.ceil(orders.length / MAX_ORDERS);
    for (const turns of orders.filter((_, n) => n % step === 0)) {
      const app = await appWith(hasInstance);
      const { results } = await run(app, requests, turns);
      const where = `${JSON.stringify(turns)}: ${JSON.stringify(results.map(({ status, body }) => [status, body]))}`;
      expect(problemsOf(app), where).toEqual([]);
      const done = results.map(({ status }) => status < 300);
      for (const { status } of results) expect([200, 201, 204, 404, 409], where).toContain(status);
      if (maxDone === "one") expect(done, where).not.toEqual([true, true]);
      seen.orders += 1;
      seen.first += done[0] ? 1 : 0;
      seen.second += done[1] ? 1 : 0;
    }
    expect(seen.orders).toBeGreaterThan(MAX_ORDERS / 2);
    expect(seen.first).toBeGreaterThan(0);
    expect(seen.second).toBeGreaterThan(0);
  },
);

describe("what a request left as it died", () => {
  test("a deletion mark blocks instances for some minutes, then nothing", async ({ expect }) => {
    const app = await appWith(false);
    const key = vaultKey(VAULT_ID);
    const stored = await app.tables.policies.get(key, "daily");
    if (stored === undefined) throw new Error("no policy");
    await app.tables.policies.put(key, "daily", { ...stored.value, deletingSince: app.now.toISOString() });
    app.now = new Date(app.now.getTime() + FULL_SAFETY.claimMs - 1);
    expect(await app.call("PUT", INSTANCE_ID, { body: instanceBody() })).toMatchObject({
      status: 409,
      body: { error: { code: "StorageConflict" } },
    });
    app.now = new Date(app.now.getTime() + 1);
    expect((await app.call("PUT", INSTANCE_ID, { body: instanceBody() })).status).toBe(201);
    expect(problemsOf(app)).toEqual([]);
  });

  test("an announcement protects policy and vault for some minutes, then not", async ({ expect }) => {
    const app = await appWith(false);
    const claim = { instanceName: "lost", instance: "1", since: app.now.toISOString(), policy: "daily" };
    await app.tables.claims.put(vaultKey(VAULT_ID), "~lost", claim);
    for (const path of [POLICY_ID, VAULT_ID]) expect((await app.call("DELETE", path)).status).toBe(409);
    app.now = new Date(app.now.getTime() + FULL_SAFETY.claimMs);
    for (const path of [POLICY_ID, VAULT_ID]) expect((await app.call("DELETE", path)).status).toBe(200);
  });
});
