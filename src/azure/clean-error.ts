/**
 * @module
 * Keeps secrets out of messages: a URL that a service or a library quotes may carry a signature in its query.
 */

/** Takes the queries off all URLs of a text, and the values off whatever else looks like part of a signature. */
export function withoutSecrets(text: string): string {
  return text
    .replace(/(https?:\/\/[^\s"'<>?]+)\?[^\s"'<>]*/gi, "$1")
    .replace(/\b(sig|accountkey|sharedaccesssignature)=[^&;\s"'<>]+/gi, "$1=(removed)")
    .replace(/\bbearer\s+[\w.~+/-]+=*/gi, "Bearer (removed)");
}

/**
 * Makes an error that says the same and is fit for logs: name, message and stack without secrets, and none of the
 * request and response that the SDKs' errors carry along.
 */
export function cleanError(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(withoutSecrets(String(error)));
  const clean = new Error(withoutSecrets(error.message));
  clean.name = error.name;
  if (error.stack !== undefined) clean.stack = withoutSecrets(error.stack);
  return clean;
}
