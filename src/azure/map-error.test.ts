import { RestError } from "@azure/storage-blob";
import { test } from "vitest";
import { VaultError } from "../foundation/errors.ts";
import { cleanError, withoutSecrets } from "./clean-error.ts";
import { mapError, type Place } from "./map-error.ts";

const DATASOURCE: Place = { kind: "datasource", account: "prodlake" };
const TARGET: Place = { kind: "target", account: "restored" };
const VAULT: Place = { kind: "vault" };
const STATE: Place = { kind: "state" };

function rest(statusCode: number | undefined, code: string | undefined, message = "said by the service"): RestError {
  return new RestError(message, {
    ...(statusCode === undefined ? {} : { statusCode }),
    ...(code === undefined ? {} : { code }),
  });
}

test.for([
  [undefined, "ENOTFOUND", DATASOURCE, "datasource/account-unknown", "storage account 'prodlake' was not found"],
  [undefined, "ENOTFOUND", TARGET, "restore/target-account-unknown", "storage account 'restored' was not found"],
  [undefined, "ENOTFOUND", VAULT, "storage/unavailable", "the vault account cannot be reached (ENOTFOUND)"],
  [404, "ResourceNotFound", DATASOURCE, "datasource/account-unknown", "storage account 'prodlake' was not found"],
  [
    404,
    "ContainerNotFound",
    DATASOURCE,
    "datasource/container-not-found",
    "a container of storage account 'prodlake' was not found",
  ],
  [
    409,
    "ContainerBeingDeleted",
    TARGET,
    "storage/unavailable",
    "a container of storage account 'restored' is being deleted",
  ],
  [
    403,
    "AuthorizationPermissionMismatch",
    DATASOURCE,
    "datasource/forbidden",
    "storage account 'prodlake' refuses the app's identity (AuthorizationPermissionMismatch)",
  ],
  [
    403,
    "AuthorizationFailure",
    VAULT,
    "storage/unavailable",
    "the vault account refuses the app's identity (AuthorizationFailure)",
  ],
  [401, undefined, STATE, "storage/unavailable", "the state account refuses the app's identity (status 401)"],
  [200, "PARSE_ERROR", STATE, "storage/unavailable", "an answer of the state account cannot be parsed"],
  [undefined, "ANSWER_CUT", VAULT, "storage/unavailable", "the vault account cannot be reached (ANSWER_CUT)"],
  [503, "ServerBusy", VAULT, "storage/throttled", "the vault account throttles requests (ServerBusy)"],
  [
    500,
    "OperationTimedOut",
    DATASOURCE,
    "storage/throttled",
    "storage account 'prodlake' throttles requests (OperationTimedOut)",
  ],
  [429, undefined, STATE, "storage/throttled", "the state account throttles requests (status 429)"],
  [500, "InternalError", STATE, "storage/unavailable", "the state account cannot be reached (InternalError)"],
  [undefined, "ECONNREFUSED", VAULT, "storage/unavailable", "the vault account cannot be reached (ECONNREFUSED)"],
] as const)("status %s, code %s: %o is %s", ([status, code, place, expected, message], { expect }) => {
  const mapped = mapError(rest(status, code), place);
  expect(mapped).toBeInstanceOf(VaultError);
  expect(mapped).toMatchObject({ code: expected, message });
  expect((mapped.cause as Error).message).toBe("said by the service");
});

type Response = NonNullable<RestError["response"]>;

/** An answer of which only the headers are looked at. */
function answered(
  statusCode: number,
  code: string,
  headers: Readonly<Record<string, string>>,
  message = "said by the service",
): RestError {
  const response = { headers: { get: (name: string) => headers[name] } };
  return new RestError(message, { statusCode, code, response: response as Response });
}

test.for([
  [{ "retry-after": "7" }, 7_000],
  [{ "retry-after": "Mon, 05 Jan 2026 10:00:30 GMT", date: "Mon, 05 Jan 2026 10:00:00 GMT" }, 30_000],
  [{ "retry-after": "Mon, 05 Jan 2026 09:59:00 GMT", date: "Mon, 05 Jan 2026 10:00:00 GMT" }, undefined],
  [{ "retry-after-ms": "250" }, 250],
  [{ "x-ms-retry-after-ms": "1500", "retry-after": "2" }, 1_500],
  [{ "retry-after": "86400" }, 300_000],
  [{ "retry-after": "0" }, undefined],
  [{ "retry-after": "soon" }, undefined],
  [{}, undefined],
] as const)("a throttled answer with the headers %o has a Retry-After of %s ms", ([headers, ms], { expect }) => {
  for (const status of [503, 500, 429]) {
    const mapped = mapError(answered(status, "ServerBusy", headers), VAULT);
    expect(mapped).toMatchObject({ code: "storage/throttled", retryAfterMs: ms });
    expect((mapped as VaultError).toFailure()).not.toHaveProperty("retryAfterMs");
  }
  expect(mapError(answered(500, "InternalError", headers), VAULT)).toMatchObject({ retryAfterMs: ms });
});

test("a Retry-After date without a Date header is compared with our clock", ({ expect }) => {
  const inAMinute = new Date(Date.now() + 60_000).toUTCString();
  const { retryAfterMs } = mapError(answered(503, "ServerBusy", { "retry-after": inAMinute }), VAULT) as VaultError;
  expect(retryAfterMs).toBeGreaterThan(50_000);
  expect(retryAfterMs).toBeLessThanOrEqual(60_000);
});

test.for([
  [409, "503", "ServerBusy", "storage/throttled"],
  [500, "500", "OperationTimedOut", "storage/throttled"],
  [400, "500", "InternalError", "storage/unavailable"],
  [403, "403", "AuthorizationPermissionMismatch", "datasource/forbidden"],
] as const)(
  "a copy refused with %i because its source answered %s %s is %s",
  ([status, source, code, expected], { expect }) => {
    const headers = { "x-ms-copy-source-status-code": source, "x-ms-copy-source-error-code": code, "retry-after": "3" };
    const mapped = mapError(answered(status, "CannotVerifyCopySource", headers), DATASOURCE);
    expect(mapped).toMatchObject({ code: expected, message: expect.stringContaining(`'prodlake'`) });
    expect(mapped.message).toContain(code);
    if (expected !== "datasource/forbidden") expect(mapped).toMatchObject({ retryAfterMs: 3_000 });
  },
);

test("an unknown answer is reported with its code, the request id and the operation, without secrets", ({ expect }) => {
  const headers = { "x-ms-request-id": "5f1c-77" };
  const error = answered(400, "InvalidUri", headers, "no such https://a.blob/c/n?sv=1&sig=abc%2F");
  const mapped = mapError(error, { ...DATASOURCE, container: "raw", blob: "a b" });
  expect(mapped).toMatchObject({
    code: "datasource/refused",
    message: "storage account 'prodlake' refuses a request (InvalidUri, request 5f1c-77, blob 'a b', container 'raw')",
    serviceCode: "InvalidUri",
  });
  expect((mapped.cause as Error).message).toBe("no such https://a.blob/c/n");
  expect(JSON.stringify(mapped, Object.getOwnPropertyNames(mapped))).not.toContain("sig=");
  expect(mapError(error, VAULT)).toMatchObject({ code: "storage/refused" });
  expect(mapError(answered(418, "", {}), VAULT)).toMatchObject({ serviceCode: "status-418" });
});

test("a copy that failed because of its source is reported with the source's answer", ({ expect }) => {
  const headers = { "x-ms-copy-source-status-code": "409", "x-ms-copy-source-error-code": "BlobArchived" };
  expect(mapError(answered(409, "CannotVerifyCopySource", headers), DATASOURCE)).toMatchObject({
    code: "datasource/refused",
    serviceCode: "BlobArchived",
  });
});

test("an error without an answer stays unchanged, without secrets", ({ expect }) => {
  const mapped = mapError(new TypeError("no such https://a.blob/c/n?sv=1&sig=abc%2F"), VAULT);
  expect(mapped).not.toBeInstanceOf(VaultError);
  expect(mapped).toMatchObject({ name: "TypeError", message: "no such https://a.blob/c/n" });
});

test("a request that timed out is retryable", ({ expect }) => {
  const error = Object.assign(new Error("The operation was aborted."), { name: "AbortError" });
  expect(mapError(error, DATASOURCE)).toMatchObject({ code: "storage/unavailable" });
});

test("a container that is missing or being deleted is named", ({ expect }) => {
  const place: Place = { ...DATASOURCE, container: "raw" };
  for (const [status, code, said] of [
    [404, "ContainerNotFound", "was not found"],
    [409, "ContainerBeingDeleted", "is being deleted"],
  ] as const) {
    expect(mapError(rest(status, code), place)).toMatchObject({
      code: "datasource/container-not-found",
      message: `container 'raw' of storage account 'prodlake' ${said}`,
    });
  }
});

test("a failure of ours stays unchanged", ({ expect }) => {
  const ours = new VaultError("format/corrupt", "x");
  expect(mapError(ours, VAULT)).toBe(ours);
});

test("an identity without a token is for the operator to fix", ({ expect }) => {
  const error = Object.assign(new Error("no managed identity endpoint found"), { name: "CredentialUnavailableError" });
  expect(mapError(error, VAULT)).toMatchObject({
    code: "storage/unavailable",
    message: "no token for the vault account",
    hint: "check the app's managed identity and the setting VaultClientId",
  });
});

test.for([
  ["GET http://127.0.0.1:1/a/b?comp=x&sig=1 failed", "GET http://127.0.0.1:1/a/b failed"],
  ["\"https://a.b/c?sig=1%2B\" and 'https://a.b/d?x'", "\"https://a.b/c\" and 'https://a.b/d'"],
  ["sv=2020&sig=abc%3D&se=1", "sv=2020&sig=(removed)&se=1"],
  ["AccountName=a;AccountKey=abc==;X=1", "AccountName=a;AccountKey=(removed);X=1"],
  ["authorization: Bearer eyJ0.abc-_x.y== failed", "authorization: Bearer (removed) failed"],
  ["is it there? yes", "is it there? yes"],
] as const)("%s is told as %s", ([text, told], { expect }) => {
  expect(withoutSecrets(text)).toBe(told);
});

test("anything thrown becomes an error fit for logs", ({ expect }) => {
  expect(cleanError("sig=abc").message).toBe("sig=(removed)");
  const error = new TypeError("at https://a.b/c?sig=1");
  const clean = cleanError(error);
  expect(clean).toMatchObject({ name: "TypeError", message: "at https://a.b/c" });
  expect(clean.stack).toContain("map-error.test.ts");
  expect(clean.stack).not.toContain("sig=1");
});
