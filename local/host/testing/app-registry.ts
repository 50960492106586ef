/** The registry that an app's `app.http(...)` and the like write to, for tests that load an app without a host. */
export { installCoreApi, Registry } from "../worker/core-api.ts";
