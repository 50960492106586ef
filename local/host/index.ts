/**
 * @module
 * What others may use of the development host; what tests may use besides lies in `testing/` and `durable/testing/`.
 */
export { DEFAULT_PORT, startHost } from "./core/host.ts";
export { makeSelfSigned } from "./core/self-signed.ts";
export { readLocalSettings } from "./core/settings.ts";
export { parseTimeSpan } from "./core/time-span.ts";
