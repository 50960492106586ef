import type { IncomingMessage } from "node:http";

/** The largest request body, that of the real host. */
export const MAX_BODY_BYTES = 104_857_600;

/** A body beyond {@link MAX_BODY_BYTES}; answered with 413. */
export class BodyTooLarge extends Error {
  override readonly name = "BodyTooLarge";
}

/** The caller disconnected before its body was complete; no response is possible. */
export class CallerGone extends Error {
  override readonly name = "CallerGone";
}

/**
 * Reads a whole request body.
 *
 * @throws BodyTooLarge as soon as that is known, without reading on
 * @throws CallerGone
 */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  if (Number(request.headers["content-length"] ?? 0) > MAX_BODY_BYTES) throw new BodyTooLarge();
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    // The request must outlive a refusal, or the connection would close before the answer is read.
    for await (const part of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += part.length;
      if (bytes > MAX_BODY_BYTES) throw new BodyTooLarge();
      parts.push(part);
    }
  } catch (error) {
    throw error instanceof BodyTooLarge || request.complete ? error : new CallerGone();
  }
  // A caller that hangs up may also end the stream like one that is done; half a body must not pass for a whole one.
  if (!request.complete) throw new CallerGone();
  return Buffer.concat(parts, bytes);
}

/** The request's headers by lower-case name, repeated ones joined as HTTP allows. */
export function plainHeaders(request: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(request.headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Array.isArray(value) ? value.join(", ") : value] as const],
    ),
  );
}
