import { describe, test } from "vitest";
import { refusalOf } from "../../test/support/arm-answers.ts";
import {
  API_VERSION,
  BACKUP_BODY,
  GROUP_ID,
  INSTANCE_ID,
  MemoryApp,
  POLICY_ID,
  SUBSCRIPTION,
  VAULT_ID,
  vaultBody,
} from "../../test/support/memory-app.ts";
import { FAILURES, type FailureCode, VaultError } from "../foundation/errors.ts";
import { errorDetail, httpStatus, lastingHttpStatus } from "./error-body.ts";

describe("paths", () => {
  test.for([
    ["/"],
    ["/subscriptions"],
    [`/subscriptions/${SUBSCRIPTION}/resourceGroups/lakes`],
    [`${GROUP_ID}/providers/Microsoft.DataProtection/resourceGuards`],
    [`${GROUP_ID}/providers/Microsoft.Storage/storageAccounts`],
    [`${VAULT_ID}/backupInstances/x/y/z`],
    [`${VAULT_ID}//backupInstances`],
    ["/providers/Microsoft.DataProtection"],
    ["/api/nothing"],
    ["/api/health/more"],
  ] as const)("'%s' is not found", async ([path], { expect }) => {
    const app = new MemoryApp();
    const response = await app.call("GET", path);
    expect(refusalOf(response)).toEqual([404, "InvalidResourceType", "request/path-unknown"]);
    expect(app.effects).toBe(0);
  });

  test("are case-insensitive, with or without a slash at the end", async ({ expect }) => {
    const app = new MemoryApp();
    await app.protect();
    for (const path of [VAULT_ID.toLowerCase(), VAULT_ID.toUpperCase(), `${VAULT_ID}/`]) {
      const { status, body } = await app.call("GET", path);
      expect([path, status]).toEqual([path, 200]);
      expect(body).toMatchObject({ id: VAULT_ID, name: "vault1" });
    }
  });

  test.for([
    ["PUT", `${GROUP_ID}/providers/Microsoft.DataProtection/backupVaults/-vault`],
    ["PUT", `${GROUP_ID}/providers/Microsoft.DataProtection/backupVaults/a`],
    ["PUT", `${GROUP_ID}/providers/Microsoft.DataProtection/backupVaults/va%2Fult`],
    ["PUT", `${GROUP_ID}/providers/Microsoft.DataProtection/backupVaults/va%00ult`],
    ["PUT", `${GROUP_ID}/providers/Microsoft.DataProtection/backupVaults/va%E0ult`],
    ["PUT", `${GROUP_ID}/providers/Microsoft.DataProtection/backupVaults/${"v".repeat(51)}`],
    ["PUT", `/subscriptions/mine/resourceGroups/lakes/providers/Microsoft.DataProtection/backupVaults/vault1`],
    [
      "PUT",
      `/subscriptions/${SUBSCRIPTION}/resourceGroups/lakes./providers/Microsoft.DataProtection/backupVaults/vault1`,
    ],
    ["PUT", `${VAULT_ID}/backupPolicies/a|b`],
    ["PUT", `${VAULT_ID}/backupInstances/a%23b`],
    ["GET", `${VAULT_ID}/backupInstances/a%3Fb`],
    ["GET", `${VAULT_ID}/backupJobs/%5C`],
  ] as const)("%s %s has a name that is not allowed", async ([method, path], { expect }) => {
    const app = new MemoryApp();
    const response = await app.call(method, path, { body: vaultBody() });
    expect(refusalOf(response)).toEqual([400, "UserErrorInvalidParameterInRequest", "request/invalid"]);
    expect(app.effects).toBe(0);
  });
});

describe("methods", () => {
  test.for([
    ["DELETE", `${VAULT_ID}/backupPolicies`, "GET"],
    ["POST", VAULT_ID, "GET, PUT, PATCH, DELETE"],
    ["GET", `${INSTANCE_ID}/backup`, "POST"],
    ["PUT", `${VAULT_ID}/backupJobs/x`, "GET"],
    ["OPTIONS", VAULT_ID, "GET, PUT, PATCH, DELETE"],
    ["constructor", VAULT_ID, "GET, PUT, PATCH, DELETE"],
    ["POST", "/api/health", "GET"],
  ] as const)("%s is not allowed on %s", async ([method, path, allow], { expect }) => {
    const app = new MemoryApp();
    const response = await app.call(method, path, { body: vaultBody() });
    expect(refusalOf(response)).toEqual([405, "MethodNotAllowed", "request/method-not-allowed"]);
    expect(response.headers["allow"]).toBe(allow);
    expect(app.effects).toBe(0);
  });
});

describe("api-version", () => {
  test("is required on every ARM path", async ({ expect }) => {
    const app = new MemoryApp();
    for (const query of ["", "?api-version="]) {
      const url = new URL(`http://localhost${VAULT_ID}${query}`);
      const response = await app.send({
        method: "PUT",
        url,
        headers: {},
        body: async () => JSON.stringify(vaultBody()),
      });
      expect(refusalOf(response)).toEqual([400, "MissingApiVersionParameter", "request/api-version-missing"]);
    }
    expect(app.effects).toBe(0);
  });

  test("of the future is refused, with the supported ones in the hint", async ({ expect }) => {
    const app = new MemoryApp();
    const response = await app.call("PUT", VAULT_ID, { body: vaultBody(), query: { "api-version": "2031-01-01" } });
    expect(refusalOf(response)).toEqual([400, "InvalidApiVersionParameter", "request/api-version-unknown"]);
    expect(JSON.stringify(response.body)).toContain("2022-12-01");
    expect(app.effects).toBe(0);
  });

  test.for([["2022-12-01"], ["2025-07-01"], ["2026-03-01"], ["2026-06-01"]] as const)(
    "%s is accepted, and repeated in polling addresses",
    async ([version], { expect }) => {
      const app = new MemoryApp();
      const { status, headers } = await app.call("PUT", VAULT_ID, {
        body: vaultBody(),
        query: { "api-version": version },
      });
      expect(status).toBe(201);
      expect(headers["azure-asyncoperation"]).toMatch(new RegExp(`\\?api-version=${version}$`));
      expect(headers["location"]).toMatch(new RegExp(`\\?api-version=${version}$`));
    },
  );

  test("may have another letter case", async ({ expect }) => {
    const app = new MemoryApp();
    const url = new URL(`http://localhost${VAULT_ID}?API-Version=${API_VERSION}`);
    const { status } = await app.send({ method: "GET", url, headers: {}, body: async () => "" });
    expect(status).toBe(404);
  });
});

describe("a body", () => {
  const MIB = 1024 * 1024;

  test("whose Content-Length exceeds 1 MiB is not read", async ({ expect }) => {
    const app = new MemoryApp();
    let read = false;
    const response = await app.send({
      method: "PUT",
      url: new URL(`http://localhost${VAULT_ID}?api-version=${API_VERSION}`),
      headers: { "content-length": String(MIB + 1) },
      body: async () => {
        read = true;
        return "{}";
      },
    });
    expect([...refusalOf(response), read]).toEqual([413, "RequestEntityTooLarge", "request/too-large", false]);
    expect(app.effects).toBe(0);
  });

  test("that turns out larger than 1 MiB is refused, counted in bytes", async ({ expect }) => {
    const app = new MemoryApp();
    const body = `"${"é".repeat(MIB / 2)}"`;
    const response = await app.call("PUT", VAULT_ID, { body });
    expect(refusalOf(response)).toEqual([413, "RequestEntityTooLarge", "request/too-large"]);
    expect(app.effects).toBe(0);
  });

  test("that is too large for a record is refused", async ({ expect }) => {
    const app = new MemoryApp();
    await app.protect();
    const before = app.effects;
    const large = { ...vaultBody(), extra: "x".repeat(100_000) };
    for (const path of [VAULT_ID, POLICY_ID, INSTANCE_ID]) {
      const response = await app.call("PUT", path, { body: large });
      expect(refusalOf(response)).toEqual([413, "RequestEntityTooLarge", "request/too-large"]);
    }
    expect(app.effects).toBe(before);
  });

  test.for([
    ["nothing", ""],
    ["white space", " \n"],
    ["half an object", '{"location":'],
    ["a list", "[]"],
    ["a text", '"westeurope"'],
    ["null", "null"],
  ] as const)("of %s is refused", async ([, body], { expect }) => {
    const app = new MemoryApp();
    const response = await app.call("PUT", VAULT_ID, { body });
    expect(refusalOf(response)).toEqual([400, "UserErrorInvalidParameterInRequest", "request/invalid"]);
    expect(app.effects).toBe(0);
  });

  test("is read as JSON whatever its content type says", async ({ expect }) => {
    const app = new MemoryApp();
    const { status } = await app.call("PUT", VAULT_ID, {
      body: vaultBody(),
      headers: { "content-type": "text/plain" },
    });
    expect(status).toBe(201);
  });
});

describe("access", () => {
  test("is refused on everything except health while it is not configured", async ({ expect }) => {
    const app = new MemoryApp();
    app.settings = { ...app.settings, access: { runsInAzure: false } };
    for (const [method, path] of [
      ["PUT", VAULT_ID],
      ["GET", VAULT_ID],
      ["GET", "/providers/Microsoft.DataProtection/operations"],
      ["GET", "/nothing"],
      ["TRACE", "/api/nothing"],
    ] as const) {
      const response = await app.call(method, path, { body: vaultBody() });
      expect([path, ...refusalOf(response)]).toEqual([path, 403, "AccessNotConfigured", "access/not-configured"]);
    }
    expect(await app.call("GET", "/api/health")).toMatchObject({ status: 200, body: { status: "ok" } });
    expect(await app.call("GET", "/API/Health/")).toMatchObject({ status: 200 });
    app.problems = [{ part: "vault account", reason: "storage/unavailable" }];
    expect(await app.call("GET", "/api/health")).toMatchObject({
      status: 503,
      body: { status: "unhealthy", problems: [{ part: "vault account", reason: "storage/unavailable" }] },
    });
    expect(app.effects).toBe(0);
  });

  test("in development mode is for loopback only, whatever headers a proxy sends", async ({ expect }) => {
    const app = new MemoryApp();
    const status = async (origin: string, headers: Record<string, string> = {}): Promise<number> =>
      (await app.call("GET", VAULT_ID, { origin, headers })).status;
    expect(await status("http://127.0.0.1:7071")).toBe(404);
    expect(await status("http://[::1]:7071")).toBe(404);
    expect(await status("http://vault.example.org")).toBe(403);
    expect(await status("http://localhost", { "x-forwarded-host": "vault.example.org" })).toBe(403);
    expect(await status("http://localhost", { "x-forwarded-host": "localhost:7071, vault.example.org" })).toBe(403);
    expect(await status("http://localhost", { "x-forwarded-host": "localhost:7071" })).toBe(404);
    expect(await status("http://localhost", { origin: "https://evil.example" })).toBe(403);
  });
});

describe("headers", () => {
  test("have a request id of the API's own, and echo the caller's", async ({ expect }) => {
    const app = new MemoryApp();
    const first = await app.call("GET", VAULT_ID, {
      headers: { "x-ms-client-request-id": "mine", "x-ms-correlation-request-id": "chain" },
    });
    const second = await app.call("GET", VAULT_ID);
    expect(first.headers).toMatchObject({ "x-ms-client-request-id": "mine", "x-ms-correlation-request-id": "chain" });
    expect(first.headers["x-ms-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
    expect(second.headers["x-ms-request-id"]).not.toBe(first.headers["x-ms-request-id"]);
    expect(second.headers["x-ms-correlation-request-id"]).toBe(second.headers["x-ms-request-id"]);
    expect(second.headers).not.toHaveProperty("x-ms-client-request-id");
  });

  test("echo nothing that is not plain text", async ({ expect }) => {
    const app = new MemoryApp();
    const { headers } = await app.call("GET", VAULT_ID, {
      headers: { "x-ms-client-request-id": "a\r\nset-cookie: x", "x-ms-correlation-request-id": "x".repeat(129) },
    });
    expect(headers).not.toHaveProperty("x-ms-client-request-id");
    expect(headers["x-ms-correlation-request-id"]).toBe(headers["x-ms-request-id"]);
  });

  test.for([
    ["the URL's host", {}, "http://localhost:7071"],
    [
      "a forwarded host",
      { "x-forwarded-host": "127.0.0.1:8443", "x-forwarded-proto": "https" },
      "https://127.0.0.1:8443",
    ],
    [
      "the first of several",
      { "x-forwarded-host": "localhost, 127.0.0.1", "x-forwarded-proto": "https,http" },
      "https://localhost",
    ],
    ["a scheme alone", { "x-forwarded-proto": "https" }, "https://localhost:7071"],
    ["no scheme but http and https", { "x-forwarded-proto": "javascript" }, "http://localhost:7071"],
  ] as const)("build polling addresses from %s", async ([, headers, base], { expect }) => {
    const app = new MemoryApp();
    const response = await app.call("PUT", VAULT_ID, { body: vaultBody(), headers });
    expect(response.headers["azure-asyncoperation"]).toMatch(
      new RegExp(`^${base.replaceAll(".", "\\.")}${VAULT_ID}/operationStatus/[0-9a-f-]{36}\\?api-version=`),
    );
  });
});

describe("failures", () => {
  const failing = (error: unknown): MemoryApp => {
    const app = new MemoryApp();
    app.tables.vaults.get = async () => {
      throw error;
    };
    return app;
  };

  test("without a code return no details, and are logged under the request id", async ({ expect }) => {
    const error = new Error("connect to https://vault.blob.core.windows.net/?sig=secret");
    const app = failing(error);
    const response = await app.call("GET", VAULT_ID);
    expect(refusalOf(response)).toEqual([500, "InternalServerError", "internal/unexpected"]);
    const requestId = response.headers["x-ms-request-id"];
    expect(JSON.stringify(response.body)).toContain(requestId);
    expect(JSON.stringify(response.body)).not.toContain("secret");
    expect(app.failedCalls).toEqual([{ requestId, method: "GET", path: VAULT_ID, error }]);
  });

  test("that an operator can fix are named, and logged", async ({ expect }) => {
    const error = new VaultError("storage/throttled", "table 'Vaults' is throttled");
    const app = failing(error);
    const response = await app.call("GET", VAULT_ID);
    expect(refusalOf(response)).toEqual([503, "ServerBusy", "storage/throttled"]);
    expect(app.failedCalls).toMatchObject([{ error }]);
  });

  test("of the caller are not logged", async ({ expect }) => {
    const app = new MemoryApp();
    expect((await app.call("GET", VAULT_ID)).status).toBe(404);
    expect(app.failedCalls).toEqual([]);
  });

  test("have an HTTP status that fits who can fix them", ({ expect }) => {
    const all = Object.keys(FAILURES) as FailureCode[];
    expect(all.length).toBeGreaterThan(40);
    for (const code of all) {
      const status = httpStatus(code);
      expect([code, status], code).toEqual([code, expect.any(Number)]);
      expect(status >= 400 && status < 600, code).toBe(true);
      if (FAILURES[code].fixedBy === "caller") expect(status, code).toBeLessThan(500);
      expect(lastingHttpStatus(code), code).toBeLessThan(500);
      expect([408, 429], code).not.toContain(lastingHttpStatus(code));
      expect(errorDetail({ code, message: "m", hint: "h" })).toMatchObject({
        code: expect.stringMatching(/^[A-Z][A-Za-z]+$/),
        message: "m",
        additionalInfo: [{ type: "LakevaultFailure", info: { code, hint: "h" } }],
      });
    }
  });
});

test("the operations of the provider are listed by the names that roles use", async ({ expect }) => {
  const app = new MemoryApp();
  const { status, body } = await app.call("GET", "/providers/microsoft.dataprotection/operations");
  expect(status).toBe(200);
  const { value } = body as { value: { name: string }[] };
  expect(value.map(({ name }) => name)).toContain(
    "Microsoft.DataProtection/backupVaults/backupInstances/restore/action",
  );
});

test("a backup on demand works over HTTP alone", async ({ expect }) => {
  const app = new MemoryApp();
  await app.protect();
  const { status } = await app.call("POST", `${INSTANCE_ID}/backup`, { body: BACKUP_BODY });
  expect(status).toBe(202);
  expect(app.orchestrations.started).toHaveLength(1);
});
