import type { ReadableStream, ReadableStreamDefaultReader } from "node:stream/web";
import { bodyTooLarge } from "../api/arm-router.ts";
import { VaultError } from "../foundation/errors.ts";

/**
 * Timeout of a request body. It must be much shorter than `functionTimeout`, after which the host kills this process
 * with all running backups: a slow client must not be able to cause that.
 */
const READ_MS = 60_000;

/** Timeout for reading the rest of an unused body. */
const DISCARD_MS = 10_000;

export interface BodyTimes {
  readonly readMs: number;
  readonly discardMs: number;
}

/** Body of a request, which the host streams. */
export class RequestBody {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  readonly #times: BodyTimes;
  #isOver: boolean;

  constructor(
    stream: ReadableStream<Uint8Array> | null,
    times: BodyTimes = { readMs: READ_MS, discardMs: DISCARD_MS },
  ) {
    this.#reader = stream?.getReader();
    this.#isOver = stream === null;
    this.#times = times;
  }

  /**
   * Reads it as UTF-8, and stops as soon as it is too long.
   *
   * @throws VaultError `request/too-large`, `request/incomplete`
   */
  async read(maxBytes: number): Promise<string> {
    const until = performance.now() + this.#times.readMs;
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for (;;) {
      const part = await this.#next(until);
      if (part === "end") return new TextDecoder().decode(Buffer.concat(parts, bytes));
      if (part === "late") throw incomplete(`did not arrive within ${this.#times.readMs / 1_000} s`);
      if (part === "broken") throw incomplete("was cut off");
      bytes += part.length;
      if (bytes > maxBytes) throw bodyTooLarge(maxBytes);
      parts.push(part);
    }
  }

  /**
   * Reads the rest: if the host is still sending when the response comes, it returns an error of its own.
   *
   * @see https://github.com/Azure/azure-functions-host/issues/10623
   */
  async discard(): Promise<void> {
    const until = performance.now() + this.#times.discardMs;
    while (typeof (await this.#next(until)) === "object");
  }

  async #next(until: number): Promise<Uint8Array | "end" | "late" | "broken"> {
    if (this.#isOver || this.#reader === undefined) return "end";
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<"late">((resolve) => {
      timer = setTimeout(() => resolve("late"), Math.max(0, until - performance.now()));
    });
    const next = this.#reader.read().then(
      ({ done, value }) => (done ? "end" : (value ?? "end")),
      () => "broken" as const,
    );
    const part = await Promise.race([next, late]);
    clearTimeout(timer);
    this.#isOver = typeof part === "string";
    return part;
  }
}

function incomplete(what: string): VaultError {
  return new VaultError("request/incomplete", `the request body ${what}`);
}
