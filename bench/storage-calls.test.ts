import { test } from "vitest";
import { callsPerChangedBlob, readCall, type StorageCall, tabulateCalls } from "./storage-calls.ts";
import { formatTable } from "./table.ts";

const LINES: readonly (readonly [request: string, status: number, call: string | undefined])[] = [
  ["PUT /vault/bi-1/data/lake/a%20b/0x1.1", 202, "vault Copy Blob From URL content"],
  ["PUT /vault/bi-1/data/lake/a/0x1.1", 201, "vault Put Blob content"],
  ["PUT /vault/bi-1/data/lake/a/0x1.1", 409, "vault Put or Copy Blob, answered 409 content"],
  ["PUT /vault/bi-1/data/lake/a/0x1.1?comp=block&blockid=MDAw", 201, "vault Put Block From URL content"],
  ["PUT /vault/bi-1/data/lake/a/0x1.1?comp=blocklist", 201, "vault Put Block List content"],
  ["PUT /vault/bi-1/manifests/1/lake/index.json", 201, "vault Put Blob manifest"],
  ["GET /vault/bi-1/recovery-points/1/recovery-point.json", 200, "vault Get Blob manifest"],
  ["PUT /vault/bi-1/markers/1/lake", 202, "vault Copy Blob From URL marker"],
  ["DELETE /prodlake/lake/.lakevault/1", 202, "prodlake Delete Blob marker"],
  ["HEAD /prodlake/lake/a", 200, "prodlake Get Blob Properties content"],
  ["GET /prodlake/lake/a?comp=tags", 200, "prodlake Get Blob Tags content"],
  ["GET /prodlake/lake?comp=list&restype=container&include=tags", 200, "prodlake List Blobs listing"],
  ["GET /vault/bi-1?comp=list&restype=container&prefix=recovery-points%2F", 200, "vault List Blobs manifest"],
  ["GET /prodlake/?comp=list", 200, "prodlake List Containers content"],
  ["PUT /vault/bi-1?restype=container", 201, "vault Create Container content"],
  ["HEAD /vault/bi-1?restype=container", 200, "vault Get Container Properties content"],
  ["GET /state/container-copy/messages?numofmessages=16", 200, "state queue: Get Messages state"],
  ["DELETE /state/container-copy/messages/1?popreceipt=2", 204, "state queue: Delete Message state"],
  ["GET /state/LakevaultJobs(PartitionKey='a',RowKey='b')", 200, "state table: Get Entity state"],
  ["GET /state/LakevaultWork()?$top=1000", 200, "state table: Query Entities state"],
  ["POST /state/LakevaultWork", 201, "state table: Insert Entity state"],
  ["POST /state/$batch", 202, "state table: Batch state"],
  ["PUT /state/azure-webjobs-hosts?restype=container", 201, "state blob: PUT state"],
  ["HEAD /prodlake/lake/a?sv=2026-01-01&sr=c&sp=r&sig=xyz", 200, undefined],
];

test("each line of the access log gives its account, its operation and its subject", ({ expect }) => {
  for (const [request, status, told] of LINES) {
    const line = `127.0.0.1 - - [22/Nov/2026:06:37:50 +0000] "${request} HTTP/1.1" ${status} -`;
    const call = readCall(line, "state");
    expect(call && `${call.account} ${call.operation} ${call.about}`, request).toBe(told);
  }
  expect(readCall("Azurite Blob service is starting", "state")).toBeUndefined();
  expect.assertions(LINES.length + 1);
});

const copy: StorageCall = { account: "vault", operation: "Copy Blob From URL", about: "content" };
const list: StorageCall = { account: "prodlake", operation: "List Blobs", about: "listing" };
const manifest: StorageCall = { account: "vault", operation: "Put Blob", about: "manifest" };
const row: StorageCall = { account: "state", operation: "table: Insert Entity", about: "state" };

test("one listing call per 5,000 blobs, manifests, markers and state are free; all else is counted", ({ expect }) => {
  const calls = [list, list, list, copy, copy, copy, copy, manifest, row];
  expect(callsPerChangedBlob(calls, 10_001, 4)).toBe(1);
  expect(callsPerChangedBlob(calls, 10_000, 4)).toBe(1.25);
});

test("calls are tabulated by account and operation, one column per run", ({ expect }) => {
  const table = tabulateCalls(
    new Map([
      ["limit", [copy, copy]],
      ["backup", [copy, manifest]],
    ]),
  );
  expect(formatTable(table)).toBe(
    [
      "storage calls               limit  backup",
      "vault | Copy Blob From URL      2       1",
      "vault | Put Blob, manifest      0       1",
    ].join("\n"),
  );
});
