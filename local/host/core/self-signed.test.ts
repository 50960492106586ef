import { X509Certificate } from "node:crypto";
import { test } from "vitest";
import { makeSelfSigned } from "./self-signed.ts";

test("the certificate names this machine, is valid now, and is signed by its own key", async ({ expect }) => {
  const now = new Date("2026-06-01T12:00:00Z");
  const certificate = new X509Certificate(makeSelfSigned(now).cert);
  expect(certificate.checkHost("localhost")).toBe("localhost");
  expect(certificate.checkIP("127.0.0.1")).toBe("127.0.0.1");
  expect(certificate.verify(certificate.publicKey)).toBe(true);
  expect([certificate.validFromDate, certificate.validToDate].map((date) => date.toISOString())).toEqual([
    "2026-05-31T12:00:00.000Z",
    "2026-07-01T12:00:00.000Z",
  ]);
});
