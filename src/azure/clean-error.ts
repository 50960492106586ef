/**
 * @module
 * Removes secrets from messages: a URL that a service or a library quotes may have a SAS in its query.
 */

/** Removes the queries of all URLs in a text, and the values of everything else that looks like part of a SAS. */
export function withoutSecrets(text: string): string {
  return text
    .replace(/(https?:\/\/[^\s"'<>?]+)\?[^\s"'<>]*/gi, "$1")
    .replace(/\b(sig|accountkey|sharedaccesssignature)=[^&;\s"'<>]+/gi, "$1=(removed)")
    .replace(/\bbearer\s+[\w.~+/-]+=*/gi, "Bearer (removed)");
}

/**
 * Returns an equivalent error for logs: name, message and stack without secrets, and without the request and response
 * that SDK errors contain.
 */
export function cleanError(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(withoutSecrets(String(error)));
  const clean = new Error(withoutSecrets(error.message));
  clean.name = error.name;
  if (error.stack !== undefined) clean.stack = withoutSecrets(error.stack);
  return clean;
}
