import { randomBytes } from "node:crypto";
import { describe, test } from "vitest";
import { Accounts } from "./accounts.ts";
import { BlobAccount } from "./blob-account.ts";

const CREDENTIAL = {
  getToken: async (scope: string | string[]) => ({ token: `token for ${scope}`, expiresOnTimestamp: 0 }),
};

function connectionString(name: string): string {
  const key = randomBytes(64).toString("base64");
  return `DefaultEndpointsProtocol=http;AccountName=${name};AccountKey=${key};BlobEndpoint=http://127.0.0.1:1/${name}`;
}

test("listed accounts are the only ones", ({ expect }) => {
  const connectionStrings = new Map([["prodlake", connectionString("prodlake")]]);
  const accounts = new Accounts({ kind: "listed", connectionStrings }, () => new Date());
  expect(accounts.find("prodlake").name).toBe("prodlake");
  expect(accounts.find("prodlake")).toBe(accounts.find("prodlake"));
  expect(() => accounts.find("other")).toThrow(
    expect.objectContaining({ code: "datasource/account-unknown", message: "storage account 'other' was not found" }),
  );
});

test("in Azure an account is a host of the cloud", ({ expect }) => {
  const accounts = new Accounts(
    { kind: "identity", credential: CREDENTIAL, endpointSuffix: "core.windows.net" },
    () => new Date(),
  );
  const account = accounts.find("prodlake");
  expect(account.name).toBe("prodlake");
  expect(account.container("c").url).toBe("https://prodlake.blob.core.windows.net/c");
});

test.for(["", "ab", "UPPER", "evil.example/x", "a-b-c", "x".repeat(25), "prodlake@evil", "prod lake"])(
  "'%s' never becomes part of a host name",
  (name, { expect }) => {
    const accounts = new Accounts({ kind: "identity", credential: CREDENTIAL, endpointSuffix: "x" }, () => new Date());
    expect(() => accounts.find(name)).toThrow(expect.objectContaining({ code: "datasource/account-unknown" }));
  },
);

test("one SAS serves a container for an hour, starts before now and is read-only", async ({ expect }) => {
  let now = new Date("2026-01-01T12:00:00Z");
  const account = new BlobAccount({ kind: "key", connectionString: connectionString("prodlake") }, () => now);
  const blob = account.container("in").getBlobClient("a b/c");
  const first = await account.copySource(blob);
  const query = new URL(first.url).searchParams;
  expect(Object.fromEntries(["st", "se", "sp", "sr"].map((name) => [name, query.get(name)]))).toEqual({
    st: "2026-01-01T11:55:00Z",
    se: "2026-01-01T14:00:00Z",
    sp: "r",
    sr: "c",
  });
  expect(first.url).toMatch(/^http:\/\/127\.0\.0\.1:1\/prodlake\/in\/a%20b\/c\?sv=/);
  expect(first.authorization).toBeUndefined();

  now = new Date("2026-01-01T12:59:59Z");
  expect(await account.copySource(blob)).toEqual(first);
  now = new Date("2026-01-01T13:00:00Z");
  expect(new URL((await account.copySource(blob)).url).searchParams.get("se")).toBe("2026-01-01T15:00:00Z");
});

test("an identity sends a token and puts nothing in the URL", async ({ expect }) => {
  const blobServiceUri = "https://prodlake.blob.core.windows.net";
  const account = new BlobAccount({ kind: "identity", blobServiceUri, credential: CREDENTIAL }, () => new Date());
  expect(await account.copySource(account.container("in").getBlobClient("x"))).toEqual({
    url: "https://prodlake.blob.core.windows.net/in/x",
    authorization: { scheme: "Bearer", value: "token for https://storage.azure.com/.default" },
  });
});

test("a SAS for one snapshot is for that snapshot only", async ({ expect }) => {
  const account = new BlobAccount({ kind: "key", connectionString: connectionString("prodlake") }, () => new Date());
  const blob = account.container("in").getBlobClient("log");
  const query = new URL(await account.signedUrl(blob, 5, "2026-01-01T00:00:00.0000000Z")).searchParams;
  expect([query.get("snapshot"), query.get("sr"), query.get("sp")]).toEqual([
    "2026-01-01T00:00:00.0000000Z",
    "bs",
    "r",
  ]);
  expect(new URL(await account.signedUrl(blob, 5)).searchParams.get("sr")).toBe("b");
});

describe("a SAS for an asynchronous copy", () => {
  const HOUR_MS = 3_600_000;
  const MIB = 2 ** 20;
  const now = new Date("2026-01-01T12:00:00Z");

  test("lasts as long as the blob's size may need, and at most as long as a key can sign for", async ({ expect }) => {
    const account = new BlobAccount({ kind: "key", connectionString: connectionString("prodlake") }, () => now);
    const blob = account.container("in").getBlobClient("disk");
    const hours = async (bytes: number): Promise<number> => {
      const until = new URL(await account.signedUrl(blob, bytes)).searchParams.get("se");
      return Math.round((Date.parse(until ?? "") - now.getTime()) / HOUR_MS);
    };
    expect(await hours(0)).toBe(2);
    expect(await hours(36_000 * MIB)).toBe(12);
    expect(await hours(8 * 2 ** 40)).toBe(6 * 24);
  });

  test("never ends after the user delegation key that made it, of which one serves many", async ({ expect }) => {
    let clock = now.getTime();
    const blobServiceUri = "https://prodlake.blob.core.windows.net";
    const account = new BlobAccount(
      { kind: "identity", blobServiceUri, credential: CREDENTIAL },
      () => new Date(clock),
    );
    const keys: { from: number; until: number }[] = [];
    account.service.getUserDelegationKey = async (from, until) => {
      const [signedStartsOn, signedExpiresOn] = [from as Date, until as Date];
      keys.push({ from: signedStartsOn.getTime(), until: signedExpiresOn.getTime() });
      const signedBy = { signedObjectId: "o", signedTenantId: "t", signedService: "b", signedVersion: "2024-11-04" };
      return { ...signedBy, signedStartsOn, signedExpiresOn, value: "a2V5" } as never;
    };
    const blob = account.container("in").getBlobClient("disk");
    let signed = 0;
    for (const [hours, bytes] of [
      [0, 0],
      [1, 0],
      [100, 8 * 2 ** 40],
      [101, 0],
      [160, 8 * 2 ** 40],
      [170, 0],
    ] as const) {
      clock = now.getTime() + hours * HOUR_MS;
      const query = new URL(await account.signedUrl(blob, bytes)).searchParams;
      const key = keys.at(-1);
      expect(Date.parse(query.get("se") ?? ""), String(hours)).toBeLessThanOrEqual(key?.until ?? 0);
      expect((key?.until ?? 0) - (key?.from ?? 0)).toBeLessThan(7 * 24 * HOUR_MS);
      signed += 1;
    }
    expect(signed).toBe(6);
    expect(keys).toHaveLength(3);
  });
});
