import { VaultError } from "../foundation/errors.ts";

/** Names of the parameters in a path template such as `/subscriptions/{subscription}`. */
type ParamNames<T extends string> = T extends `${string}{${infer Name}}${infer Rest}` ? Name | ParamNames<Rest> : never;

/** The parameters of a path template, all of them present. */
export type ParamsOf<T extends string> = { readonly [Name in ParamNames<T>]: string };

const ANY_NAME = /^[A-Za-z0-9][\w.()=;-]{0,259}$/;

/**
 * Allowed values of each path parameter.
 *
 * @see https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
 */
const PARAMS: Readonly<Record<string, RegExp>> = {
  subscription: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i,
  group: /^[-\w.()]{0,89}[-\w()]$/,
  vault: /^[A-Za-z][A-Za-z0-9-]{1,49}$/,
  policy: /^[A-Za-z][A-Za-z0-9-]{2,149}$/,
  instance: ANY_NAME,
  recoveryPoint: ANY_NAME,
  job: ANY_NAME,
  operation: ANY_NAME,
  location: /^[A-Za-z0-9 ]{1,60}$/,
};

/**
 * Matches a path against a template; literals are case-insensitive.
 *
 * @param path - as in a URL, percent-encoded
 * @returns the raw parameters, or undefined when the path does not match
 */
export function matchPath(template: string, path: string): Map<string, string> | undefined {
  const wanted = template.split("/");
  const given = path.replace(/\/$/, "").split("/");
  if (wanted.length !== given.length) return undefined;
  const params = new Map<string, string>();
  for (const [at, part] of wanted.entries()) {
    const value = given[at] ?? "";
    if (part.startsWith("{")) params.set(part.slice(1, -1), value);
    else if (part.toLowerCase() !== value.toLowerCase()) return undefined;
  }
  return params;
}

/**
 * Decodes path parameters and validates them.
 *
 * @throws VaultError `request/invalid`
 */
export function readParams(raw: ReadonlyMap<string, string>): Record<string, string> {
  return Object.fromEntries(
    [...raw].map(([name, encoded]) => {
      const value = decode(encoded);
      const rule = PARAMS[name];
      if (value === undefined || rule?.test(value) !== true) {
        throw new VaultError("request/invalid", `'${value ?? encoded}' is not allowed as the ${name} in a path`);
      }
      return [name, value];
    }),
  );
}

function decode(encoded: string): string | undefined {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}
