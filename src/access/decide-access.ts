import type { Failure } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";

/** How callers authenticate. Absent: all requests are refused. */
export const ACCESS_MODES = ["development"] as const;
export type AccessMode = (typeof ACCESS_MODES)[number];

export interface AccessSettings {
  readonly mode?: AccessMode;
  /** The app runs in Azure, where unauthenticated access is never allowed. */
  readonly runsInAzure: boolean;
}

/** Input of an access decision; tokens and roles join it with the modes that need them. */
export interface AccessRequest {
  /** Every host that the request names: that of its URL, and those of forwarding headers. */
  readonly hosts: readonly [string, ...string[]];
  /** Origin of the web page that sent it, if a browser reports one. */
  readonly origin?: string;
}

export type AccessDecision =
  | { readonly allowed: true; readonly because: string }
  | { readonly allowed: false; readonly failure: Failure };

/**
 * Decides whether a caller has access.
 *
 * Development mode has no authentication, so it accepts loopback only: a public name that resolves to loopback
 * (DNS rebinding) and a foreign web page in a local browser are both refused.
 */
export function decideAccess(settings: AccessSettings, request: AccessRequest): AccessDecision {
  if (settings.mode === undefined) {
    return refuse("access/not-configured", "access to this vault is not configured", "set VaultAccess");
  }
  if (settings.runsInAzure) {
    return refuse("access/not-configured", "access mode 'development' is refused in Azure", "set VaultAccess");
  }
  const foreign = request.hosts.find((host) => !isLoopback(host));
  if (foreign !== undefined) {
    return refuse("access/forbidden", `access mode 'development' accepts loopback only, not '${foreign}'`);
  }
  if (request.origin !== undefined && !isLoopbackOrigin(request.origin)) {
    return refuse("access/forbidden", "access mode 'development' refuses requests from other web pages");
  }
  return { allowed: true, because: "development mode on loopback" };
}

function refuse(code: Failure["code"], message: string, hint?: string): AccessDecision {
  return { allowed: false, failure: { code, message, ...present({ hint }) } };
}

/** @param host - as in a Host header, with or without a port */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/:\d+$/, "");
  return name === "localhost" || name === "[::1]" || /^127(\.\d{1,3}){3}$/.test(name);
}

function isLoopbackOrigin(origin: string): boolean {
  return URL.canParse(origin) && isLoopback(new URL(origin).host);
}
