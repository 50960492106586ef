import { RestError } from "@azure/storage-blob";
import fc from "fast-check";
import { test } from "vitest";
import { VaultError } from "../foundation/errors.ts";
import { NOTING_MS, withinTime } from "./function-time.ts";
import {
  DEFAULT_RETRIES,
  isWhole,
  type RetriedRequest,
  type RetrySettings,
  sendWithRetries,
} from "./request-retries.ts";

interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/**
 * Plays a service: each try meets the next of these, and the last forever. Sleeping makes time pass, nothing else does.
 */
function play(...turns: readonly (Reply | Error)[]) {
  const sleeps: number[] = [];
  let now = 0;
  let attempts = 0;
  const request: RetriedRequest = {};
  const environment = {
    now: () => now,
    random: () => 0.5,
    sleep: async (ms: number) => {
      sleeps.push(ms);
      now += ms;
    },
  };
  const send = async () => {
    const turn = turns[Math.min(attempts, turns.length - 1)];
    attempts += 1;
    if (turn === undefined || turn instanceof Error) throw turn;
    const { status, headers = {}, body } = turn;
    return {
      status,
      headers: { get: (name: string) => headers[name] },
      ...(body === undefined ? {} : { bodyAsText: body }),
    };
  };
  return {
    request,
    sleeps,
    attempts: () => attempts,
    run: (settings: Partial<RetrySettings> = {}) =>
      sendWithRetries(request, send, { ...DEFAULT_RETRIES, ...settings }, environment),
  };
}

const reset = new RestError("read ECONNRESET", { code: "ECONNRESET" });
const cutText = new RestError("Error reading response as text: aborted", { code: "PARSE_ERROR" });
const XML = { "content-type": "application/xml" };
const JSON_TYPE = { "content-type": "application/json;odata=minimalmetadata" };

test.for([
  ["a broken connection", reset],
  ["an answer that was cut", cutText],
  ["an XML answer that ends before its end", { status: 200, headers: XML, body: "<List><Name>a</Na" }],
  ["a JSON answer that ends before its end", { status: 200, headers: JSON_TYPE, body: '{"value":[{"d0":"{}"}' }],
  ...[408, 429, 500, 502, 503, 504].map((status) => [`status ${status}`, { status }] as const),
  ["a copy whose source is busy", { status: 409, headers: { "x-ms-copy-source-status-code": "503" } }],
] as const)("a request is retried after %s, and its next answer is handed on", async ([, turn], { expect }) => {
  const { run, attempts, request } = play(turn, { status: 200, body: "" });
  expect((await run()).status).toBe(200);
  expect(attempts()).toBe(2);
  expect(request.abortSignal).toBeUndefined();
});

test.for([
  ["a missing blob", { status: 404 }],
  ["a condition that is not met", { status: 412 }],
  ["a copy whose source is not to be read", { status: 403, headers: { "x-ms-copy-source-status-code": "403" } }],
  ["success", { status: 201 }],
] as const)("%s is an answer, not a failure", async ([, turn], { expect }) => {
  const { run, attempts } = play(turn);
  expect((await run()).status).toBe(turn.status);
  expect(attempts()).toBe(1);
});

test("errors that are not from the network are thrown at once", async ({ expect }) => {
  for (const error of [new TypeError("Invalid character in header"), new VaultError("storage/conflict", "ours")]) {
    const { run, attempts } = play(error);
    await expect(run()).rejects.toBe(error);
    expect(attempts()).toBe(1);
  }
  expect.assertions(4);
});

test("a request without retries reports a cut answer as no answer", async ({ expect }) => {
  const { run, attempts } = play(cutText);
  await expect(run({ retryForMs: 0 })).rejects.toMatchObject({ name: "RestError", code: "ANSWER_CUT" });
  const busy = play({ status: 503 });
  expect((await busy.run({ retryForMs: 0 })).status).toBe(503);
  expect([attempts(), busy.attempts()]).toEqual([1, 1]);
});

test("back-offs double up to the maximum until the time for retries is over, and the last failure is thrown", async ({
  expect,
}) => {
  const { run, sleeps, attempts } = play(reset);
  await expect(run({ firstBackoffMs: 100, maxBackoffMs: 1_000, retryForMs: 3_000 })).rejects.toBe(reset);
  expect(sleeps).toEqual([50, 100, 200, 400, 500, 500, 500, 500]);
  expect(attempts()).toBe(9);
});

test("waits for the Retry-After, unless that exceeds the time for retries", async ({ expect }) => {
  const asked = play({ status: 503, headers: { "retry-after": "7" } }, { status: 200 });
  expect((await asked.run()).status).toBe(200);
  expect(asked.sleeps).toEqual([7_000]);
  const tooLong = play({ status: 503, headers: { "retry-after": "31" } });
  expect((await tooLong.run()).status).toBe(503);
  expect(tooLong.attempts()).toBe(1);
});

test("a name unknown to DNS is tried three times only: most likely the account does not exist", async ({ expect }) => {
  const { run, attempts } = play(new RestError("getaddrinfo ENOTFOUND", { code: "ENOTFOUND" }));
  await expect(run()).rejects.toMatchObject({ code: "ENOTFOUND" });
  expect(attempts()).toBe(3);
});

test("a try that hangs times out, and the next has its own timeout", async ({ expect }) => {
  const request: RetriedRequest = {};
  const signals: unknown[] = [];
  const answer = { status: 200, headers: { get: () => undefined } };
  const given = await sendWithRetries(
    request,
    () => {
      const signal = request.abortSignal as AbortSignal;
      signals.push(signal);
      if (signals.length > 1) return Promise.resolve(answer);
      return new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    },
    { ...DEFAULT_RETRIES, answerMs: 20 },
  );
  expect(given).toBe(answer);
  expect(new Set(signals).size).toBe(2);
});

test("a function whose time is over makes no request", async ({ expect }) => {
  const { run, attempts } = play({ status: 200 });
  await expect(withinTime(0, run)).rejects.toMatchObject({ code: "internal/out-of-time" });
  expect(attempts()).toBe(0);
  // Some time is left, but not what the service asks for.
  const { run: busy, sleeps } = play({ status: 503, headers: { "retry-after": "29" } });
  expect((await withinTime(20_000, busy)).status).toBe(503);
  expect(sleeps).toEqual([]);
});

test("the end of a function's time ends the request that is under way; one with a time of its own, which moves content, earlier, so that what it moved can be noted", async ({
  expect,
}) => {
  for (const [given, ms] of [
    [undefined, 20],
    [new AbortController().signal, NOTING_MS + 20],
  ] as const) {
    const request: RetriedRequest = { abortSignal: given };
    const hanging = () =>
      new Promise<never>((_, reject) => {
        const signal = request.abortSignal as AbortSignal;
        signal.addEventListener("abort", () => reject(signal.reason));
      });
    await expect(withinTime(ms, () => sendWithRetries(request, hanging, DEFAULT_RETRIES))).rejects.toMatchObject({
      code: "ETIMEDOUT",
    });
    expect(request.abortSignal).toBe(given);
  }
  expect.assertions(4);
});

const tag = fc.stringMatching(/^[A-Za-z][A-Za-z0-9]{0,8}$/);
const leaf = fc
  .tuple(tag, fc.stringMatching(/^[ a-z0-9/='"]{0,10}$/))
  .map(([name, text]) => `<${name}>${text}</${name}>`);
const xml = fc
  .tuple(
    tag,
    fc.array(
      fc.oneof(
        leaf,
        tag.map((name) => `<${name} />`),
      ),
      { maxLength: 6 },
    ),
    fc.constantFrom("", "\n"),
  )
  .map(([root, inner, end]) => `<?xml version="1.0"?><R${root}>${inner.join("")}</R${root}>${end}`);
const json = fc.dictionary(fc.string(), fc.jsonValue()).map((value) => JSON.stringify({ value }));

test("every document is complete, and no part of one is", ({ expect }) => {
  let cuts = 0;
  const whole = (type: Readonly<Record<string, string>>, body: string): boolean =>
    isWhole({ status: 200, headers: { get: (name) => type[name] }, bodyAsText: body });
  for (const [type, documents] of [
    [XML, xml],
    [JSON_TYPE, json],
  ] as const) {
    fc.assert(
      fc.property(documents, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (text, share) => {
        expect(whole(type, text)).toBe(true);
        const beginning = text.slice(0, 1 + Math.floor(share * (text.trimEnd().length - 1)));
        if (beginning.length >= text.trimEnd().length) return;
        expect(whole(type, beginning)).toBe(false);
        cuts += 1;
      }),
    );
  }
  expect(cuts).toBeGreaterThan(100);
  expect(whole(XML, '<?xml version="1.0" encoding="utf-8"?>\n<Tags />')).toBe(true);
  expect(whole({ "content-type": "text/plain" }, "<half")).toBe(true);
});
