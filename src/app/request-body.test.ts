import { ReadableStream } from "node:stream/web";
import fc from "fast-check";
import { test } from "vitest";
import { RequestBody } from "./request-body.ts";

const DEFAULT_RETRIES = { readMs: 60_000, discardMs: 60_000 };

/** A body that arrives in chunks, and then ends, breaks, or never ends. */
function arriving(parts: readonly Uint8Array[], end: "closes" | "breaks" | "hangs" = "closes") {
  const seen = { taken: 0 };
  const left = [...parts];
  const stream = new ReadableStream<Uint8Array>(
    {
      pull: (controller) => {
        const part = left.shift();
        if (part !== undefined) {
          seen.taken += 1;
          controller.enqueue(part);
        } else if (end === "closes") controller.close();
        else if (end === "breaks") controller.error(new Error("the caller hung up"));
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, seen };
}

test("a body is read completely, however it is chunked, also inside of a character", async ({ expect }) => {
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: "binary" }), fc.array(fc.nat(20)), async (text, cuts) => {
      const bytes = Buffer.from(text);
      const parts: Uint8Array[] = [];
      let at = 0;
      for (const cut of cuts) {
        parts.push(bytes.subarray(at, at + cut));
        at += cut;
      }
      parts.push(bytes.subarray(at));
      const body = new RequestBody(arriving(parts).stream, DEFAULT_RETRIES);
      expect(await body.read(bytes.length)).toBe(new TextDecoder().decode(bytes));
      runs += 1;
    }),
  );
  expect(runs).toBeGreaterThan(50);
});

test("a request without a body has an empty one", async ({ expect }) => {
  const body = new RequestBody(null, DEFAULT_RETRIES);
  expect(await body.read(0)).toBe("");
  await body.discard();
});

test("a body that is too long is refused at once, and its rest is read and discarded", async ({ expect }) => {
  const { stream, seen } = arriving(Array.from({ length: 10 }, () => new Uint8Array(100)));
  const body = new RequestBody(stream, DEFAULT_RETRIES);
  await expect(body.read(250)).rejects.toMatchObject({ code: "request/too-large" });
  expect(seen.taken).toBe(3);
  await body.discard();
  expect(seen.taken).toBe(10);
});

test("a body of exactly the maximum length is accepted", async ({ expect }) => {
  const { stream } = arriving([new Uint8Array(100), new Uint8Array(150)]);
  expect(await new RequestBody(stream, DEFAULT_RETRIES).read(250)).toHaveLength(250);
});

test("an unused body is discarded", async ({ expect }) => {
  const { stream, seen } = arriving([new Uint8Array(1), new Uint8Array(1)]);
  await new RequestBody(stream, DEFAULT_RETRIES).discard();
  expect(seen.taken).toBe(2);
});

test("a body that never ends times out", async ({ expect }) => {
  const { stream } = arriving([new Uint8Array(1)], "hangs");
  const body = new RequestBody(stream, { readMs: 5, discardMs: 5 });
  await expect(body.read(10)).rejects.toMatchObject({ code: "request/incomplete" });
  await body.discard();
  const { stream: unwanted } = arriving([], "hangs");
  await new RequestBody(unwanted, { readMs: 5, discardMs: 5 }).discard();
});

test("a caller that disconnects has sent no body", async ({ expect }) => {
  const { stream } = arriving([Buffer.from("{}")], "breaks");
  const body = new RequestBody(stream, DEFAULT_RETRIES);
  await expect(body.read(10)).rejects.toMatchObject({ code: "request/incomplete" });
  await body.discard();
});
