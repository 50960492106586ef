import { describe, test } from "vitest";
import { type AccessSettings, decideAccess, isLoopback } from "./decide-access.ts";

const DEVELOPMENT: AccessSettings = { mode: "development", runsInAzure: false };

test("without configuration all requests are refused, even on loopback", ({ expect }) => {
  expect(decideAccess({ runsInAzure: false }, { hosts: ["localhost:7071"] })).toMatchObject({
    allowed: false,
    failure: { code: "access/not-configured" },
  });
});

test("development mode is refused in Azure, whatever the host claims", ({ expect }) => {
  expect(decideAccess({ ...DEVELOPMENT, runsInAzure: true }, { hosts: ["localhost"] })).toMatchObject({
    allowed: false,
    failure: { code: "access/not-configured" },
  });
});

describe("development mode", () => {
  test.for([
    ["localhost"],
    ["localhost:7071"],
    ["LOCALHOST:7071"],
    ["127.0.0.1:7071"],
    ["127.8.9.10"],
    ["[::1]:7071"],
    ["[::1]"],
  ] as const)("answers on %s", ([host], { expect }) => {
    expect(isLoopback(host)).toBe(true);
    expect(decideAccess(DEVELOPMENT, { hosts: [host] })).toMatchObject({ allowed: true });
  });

  test.for([
    ["vault.example.org"],
    ["vault.example.org:7071"],
    ["localhost.example.org"],
    ["127.0.0.1.example.org"],
    ["10.0.0.1"],
    ["0.0.0.0"],
    ["[::2]"],
    ["128.0.0.1"],
    [""],
  ] as const)("refuses requests on '%s'", ([host], { expect }) => {
    expect(decideAccess(DEVELOPMENT, { hosts: [host] })).toMatchObject({
      allowed: false,
      failure: { code: "access/forbidden" },
    });
  });

  test("refuses requests that a proxy forwarded for another host", ({ expect }) => {
    expect(decideAccess(DEVELOPMENT, { hosts: ["localhost", "vault.example.org"] })).toMatchObject({ allowed: false });
  });

  test("accepts web pages of this machine only", ({ expect }) => {
    const from = (origin: string): boolean => decideAccess(DEVELOPMENT, { hosts: ["localhost"], origin }).allowed;
    expect(from("http://localhost:3000")).toBe(true);
    expect(from("https://evil.example")).toBe(false);
    expect(from("null")).toBe(false);
  });
});
