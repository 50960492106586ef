import { test } from "vitest";
import { openHttpServer } from "./http-server.ts";
import { end } from "./http-trigger.ts";
import { openLog } from "./log.ts";

test("answers 503 before the host is ready, and again when it stops", async ({ expect }) => {
  const server = await openHttpServer(0, undefined, openLog(() => undefined).category("Host"));
  const status = async (): Promise<number> => (await fetch(server.baseUrl)).status;
  expect(await status()).toBe(503);
  server.serve(async (_request, response) => end(response, 204));
  expect(await status()).toBe(204);
  await server.suspend();
  expect(await status()).toBe(503);
  await server.close();
  await expect(status()).rejects.toThrow("fetch failed");
});

test("a stop waits for the requests under way", async ({ expect }) => {
  const server = await openHttpServer(0, undefined, openLog(() => undefined).category("Host"));
  let arrive: () => void = () => undefined;
  let finish: () => void = () => undefined;
  const arrived = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  server.serve(async (_request, response) => {
    arrive();
    await new Promise<void>((resolve) => {
      finish = resolve;
    });
    end(response, 204);
  });
  const answer = fetch(server.baseUrl);
  await arrived;
  let isSuspended = false;
  const suspended = server.suspend().then(() => {
    isSuspended = true;
  });
  expect((await fetch(server.baseUrl)).status).toBe(503);
  expect(isSuspended).toBe(false);
  finish();
  await suspended;
  expect((await answer).status).toBe(204);
  await server.close();
});

test("a handler that throws is 500, and the log tells why without the query", async ({ expect }) => {
  const lines: string[] = [];
  const server = await openHttpServer(0, undefined, openLog((line) => lines.push(line)).category("Host"));
  server.serve(async () => {
    throw new Error("it broke");
  });
  expect((await fetch(`${server.baseUrl}/a?code=secret`)).status).toBe(500);
  expect(lines.join("\n")).toMatch(/GET \/a: Error: it broke/);
  expect(lines.join("\n")).not.toContain("secret");
  await server.close();
});
