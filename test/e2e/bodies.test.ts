import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, test } from "vitest";
import { VAULT_BODY } from "../../local/demo/arm-bodies.ts";
import { type Estate, openEstate } from "./support/estate.ts";
import { Scenario } from "./support/scenario.ts";

const MIB = 2 ** 20;

let estate: Estate;

beforeAll(async () => {
  estate = await openEstate();
});

afterAll(async () => {
  await estate?.close();
});

async function openSocket(): Promise<Socket> {
  const { hostname, port } = new URL(estate.baseUrl);
  const socket = connect({ host: hostname, port: Number(port) });
  await once(socket, "connect");
  return socket;
}

function headOf(path: string, headers: readonly string[]): string {
  const { host } = new URL(estate.baseUrl);
  return [
    `PUT ${path}?api-version=2026-06-01 HTTP/1.1`,
    `host: ${host}`,
    ...["content-type: application/json", "connection: close", ...headers],
    "\r\n",
  ].join("\r\n");
}

/** Sends bytes as they stand, and reads until the host closes. @returns status and body */
async function exchange(parts: readonly string[]): Promise<{ readonly status: number; readonly body: string }> {
  const socket = await openSocket();
  for (const part of parts) if (!socket.write(part)) await once(socket, "drain");
  let answer = "";
  for await (const part of socket) answer += String(part);
  const [head = "", ...rest] = answer.split("\r\n\r\n");
  return { status: Number(head.split(" ")[1]), body: rest.join("\r\n\r\n") };
}

function chunk(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
}

const LAST_CHUNK = "0\r\n\r\n";

test("a body in chunks, without a length, is taken like any other", async ({ expect }) => {
  const lake = new Scenario(estate);
  const text = JSON.stringify({ ...VAULT_BODY, tags: { owner: "ü" } });
  const half = Math.floor(text.length / 2);
  const parts = [
    headOf(lake.vault, ["transfer-encoding: chunked"]),
    chunk(text.slice(0, half)),
    chunk(text.slice(half)),
  ];
  const { status } = await exchange([...parts, LAST_CHUNK]);
  expect(status).toBe(201);
  expect((await lake.get(lake.vault)).body).toMatchObject({ tags: { owner: "ü" } });
});

test("a body that is too long is refused in the API's words, whether its length was told or not", async ({
  expect,
}) => {
  const lake = new Scenario(estate);
  const piece = " ".repeat(MIB / 4);
  const inChunks = Array.from({ length: 20 }, () => chunk(piece));
  const plain = Array.from({ length: 20 }, () => piece);
  for (const parts of [
    [headOf(lake.vault, ["transfer-encoding: chunked"]), ...inChunks, LAST_CHUNK],
    [headOf(lake.vault, [`content-length: ${5 * MIB}`]), ...plain],
  ]) {
    const { status, body } = await exchange(parts);
    expect(status).toBe(413);
    expect(body).toContain('"code":"RequestEntityTooLarge"');
  }
  await expect(lake.get(lake.vault)).rejects.toMatchObject({ status: 404 });
});

test("a request that is refused before its body was read is answered all the same", async ({ expect }) => {
  const piece = " ".repeat(MIB / 4);
  const parts = [headOf("/api/nothing", [`content-length: ${5 * MIB}`]), ...Array.from({ length: 20 }, () => piece)];
  const { status, body } = await exchange(parts);
  expect(status).toBe(404);
  expect(body).toContain('"error"');
});

test("callers that hang up half way leave the app as it was", async ({ expect }) => {
  const lake = new Scenario(estate);
  for (const headers of [["transfer-encoding: chunked"], ["content-length: 100"]]) {
    const socket = await openSocket();
    socket.write(headOf(lake.vault, headers));
    socket.write(headers[0]?.startsWith("t") ? chunk("{") : "{");
    socket.end();
    socket.resume();
    await once(socket, "close");
  }
  await estate.api.run("PUT", lake.vault, VAULT_BODY);
  expect((await lake.get(lake.vault)).status).toBe(200);
});
