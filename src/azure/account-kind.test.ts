import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "vitest";
import { accountKind } from "./account-kind.ts";
import { BlobAccount } from "./blob-account.ts";

/** Asks an account whose service gives this answer, and no other. */
async function kindBy(answer: (response: ServerResponse) => void): Promise<unknown> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? "");
    answer(response);
    response.end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const connectionString = `DefaultEndpointsProtocol=http;AccountName=lake;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:${port}/lake;`;
  const account = new BlobAccount({ kind: "key", connectionString }, () => new Date(), { retryForMs: 0 });
  const kind = await accountKind(account).catch((error: unknown) => (error as { readonly code: string }).code);
  server.close();
  if (!asked[0]?.includes("restype=account")) throw new Error(`was asked for '${asked}'`);
  return kind;
}

test("an account reports whether it has a hierarchical namespace", async ({ expect }) => {
  const saying = (value: string) => kindBy((response) => response.setHeader("x-ms-is-hns-enabled", value));
  expect(await saying("true")).toBe("adlsBlobServices");
  expect(await saying("false")).toBe("blobServices");
});

test("the kind of an account without that header is unknown", async ({ expect }) => {
  expect(await kindBy((response) => response.setHeader("x-ms-account-kind", "StorageV2"))).toBeUndefined();
});

test("the answer of an emulator is ignored", async ({ expect }) => {
  const emulated = (response: ServerResponse): void => {
    response.setHeader("server", "Azurite-Blob/3.37.0");
    response.setHeader("x-ms-is-hns-enabled", "false");
  };
  expect(await kindBy(emulated)).toBeUndefined();
});

test.for([
  [403, "AuthorizationPermissionMismatch", undefined],
  [400, "InvalidQueryParameterValue", undefined],
  [501, "NotImplemented", undefined],
  [404, "ResourceNotFound", undefined],
  [503, "ServerBusy", "storage/throttled"],
  [500, "InternalError", "storage/unavailable"],
] as const)("an answer %s %s means an unknown kind, or is retried", async ([status, code, outcome], { expect }) => {
  const refusing = (response: ServerResponse): void => {
    response.statusCode = status;
    response.setHeader("x-ms-error-code", code);
  };
  expect(await kindBy(refusing)).toBe(outcome);
});
