import { test } from "vitest";
import { refusalOf } from "../../test/support/arm-answers.ts";
import { MemoryApp, VAULT_ID } from "../../test/support/memory-app.ts";

const REBUILD = `/api${VAULT_ID}/rebuild`;

test("a vault that a client has made is rebuilt from its documents alone", async ({ expect }) => {
  const before = new MemoryApp();
  await before.protect();
  const app = new MemoryApp();
  for (const [name, files] of before.files.containers) app.files.containers.set(name, files);
  expect((await app.call("GET", VAULT_ID)).status).toBe(404);

  const { status, body } = await app.call("POST", REBUILD);
  expect(status).toBe(200);
  expect(body).toMatchObject({
    counts: { vault: { made: 1 }, policy: { made: 1 }, instance: { made: 1 }, schedule: { made: 1 } },
    findings: [{ kind: "vault", name: VAULT_ID, outcome: "made" }, { kind: "policy" }, { kind: "instance" }],
  });
  expect(body).not.toHaveProperty("continuation");
  for (const table of ["vaults", "policies", "instances"] as const) {
    expect(app.tables[table].dump(), table).toEqual(before.tables[table].dump());
  }
  expect((await app.call("GET", VAULT_ID)).body).toEqual((await before.call("GET", VAULT_ID)).body);
});

test("an unknown vault is reported as unreadable", async ({ expect }) => {
  const { status, body } = await new MemoryApp().call("POST", REBUILD);
  expect(status).toBe(200);
  expect(body).toMatchObject({
    counts: { vault: { made: 0, unreadable: 1 } },
    findings: [{ kind: "vault", name: VAULT_ID, outcome: "unreadable", code: "format/missing" }],
  });
});

test("an invalid continuation is refused", async ({ expect }) => {
  for (const continuation of ["", "x", "vaults:".padEnd(5_000, "0")]) {
    const refused = await new MemoryApp().call("POST", REBUILD, { query: { continuation } });
    expect(refusalOf(refused)[2], continuation.slice(0, 10)).toBe("request/invalid");
  }
});
