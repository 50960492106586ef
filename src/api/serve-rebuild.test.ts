import { test } from "vitest";
import { MemoryApp, VAULT_ID } from "../../test/support/memory-app.ts";
import type { ApiCall, VaultPath } from "./api-call.ts";
import { vaultPathOf } from "./arm-ids.ts";
import { rebuildVault } from "./serve-rebuild.ts";

function call(app: MemoryApp, query: Readonly<Record<string, string>> = {}): ApiCall<VaultPath> {
  return {
    deps: app.deps,
    params: vaultPathOf(VAULT_ID),
    query: new URLSearchParams(query),
    headers: {},
    apiVersion: "",
    baseUrl: "http://localhost:7071",
    path: `/api${VAULT_ID}/rebuild`,
    json: async () => ({}),
  };
}

test("a vault that a client has made is rebuilt from its documents alone", async ({ expect }) => {
  const before = new MemoryApp();
  await before.protect();
  const app = new MemoryApp();
  for (const [name, files] of before.files.containers) app.files.containers.set(name, files);
  expect((await app.call("GET", VAULT_ID)).status).toBe(404);

  const { status, body } = await rebuildVault(call(app));
  expect(status).toBe(200);
  expect(body).toMatchObject({
    counts: { vault: { made: 1 }, policy: { made: 1 }, instance: { made: 1 }, schedule: { made: 1 } },
    findings: [{ kind: "vault", name: VAULT_ID, outcome: "made" }, { kind: "policy" }, { kind: "instance" }],
  });
  expect(body).not.toHaveProperty("continuation");
  for (const table of ["vaults", "policies", "instances"] as const) {
    expect(app.tables[table].dump(), table).toEqual(before.tables[table].dump());
  }
});

test("a vault of which nothing is known is told as unreadable", async ({ expect }) => {
  const { status, body } = await rebuildVault(call(new MemoryApp()));
  expect(status).toBe(200);
  expect(body).toMatchObject({
    counts: { vault: { made: 0, unreadable: 1 } },
    findings: [{ kind: "vault", name: VAULT_ID, outcome: "unreadable", code: "format/missing" }],
  });
});

test("a continuation that no rebuild has answered is refused", async ({ expect }) => {
  for (const continuation of ["", "x", "vaults:".padEnd(5_000, "0")]) {
    await expect(rebuildVault(call(new MemoryApp(), { continuation }))).rejects.toMatchObject({
      code: "request/invalid",
    });
  }
});
