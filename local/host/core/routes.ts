/**
 * @module
 * HTTP routes: the templates of ASP.NET, as far as functions use them.
 *
 * Segments are literals (`items`, without regard to case), parameters (`{id}`, `{id?}`, `{id=5}`, `{id:int}`), a mix
 * (`{name}.json`), or, at the end, all that is left (`{*rest}`).
 */

interface Parameter {
  readonly name: string;
  readonly isOptional: boolean;
  readonly fallback?: string;
  readonly accepts: (value: string) => boolean;
}

type Segment =
  | { readonly kind: "literal"; readonly text: string }
  | ({ readonly kind: "parameter"; readonly rank: 2 | 3 } & Parameter)
  | { readonly kind: "mixed"; readonly pattern: RegExp; readonly parameters: readonly Parameter[] }
  | ({ readonly kind: "rest"; readonly rank: 4 | 5 } & Parameter);

export interface Route {
  readonly template: string;
  /** Digits from 1 (literal) to 5 (all that is left), one a segment: what sorts lower is more specific. */
  readonly precedence: string;
  /** The parameters of a path that this route fits, or undefined; segments are still percent-encoded. */
  match(segments: readonly string[]): Record<string, string> | undefined;
}

type Constraint = (value: string, argument: string) => boolean;

const INTEGER = /^[+-]?\d+$/;

const CONSTRAINTS: Readonly<Record<string, Constraint>> = {
  int: (value) => INTEGER.test(value) && Math.abs(Number(value)) <= 2 ** 31,
  long: (value) => INTEGER.test(value) && Math.abs(Number(value)) <= 2 ** 63,
  bool: (value) => /^(true|false)$/i.test(value),
  decimal: (value) => /^[+-]?(\d+\.?\d*|\.\d+)$/.test(value),
  double: (value) => /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value),
  float: (value) => /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value),
  guid: (value) => /^\{?[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}\}?$/i.test(value),
  datetime: (value) => !Number.isNaN(Date.parse(value)),
  alpha: (value) => /^[a-z]*$/i.test(value),
  required: (value) => value !== "",
  length: (value, argument) => {
    const [from = 0, to = from] = numbers(argument);
    return value.length >= from && value.length <= to;
  },
  minlength: (value, argument) => value.length >= Number(argument),
  maxlength: (value, argument) => value.length <= Number(argument),
  min: (value, argument) => INTEGER.test(value) && Number(value) >= Number(argument),
  max: (value, argument) => INTEGER.test(value) && Number(value) <= Number(argument),
  range: (value, argument) => {
    const [from = 0, to = from] = numbers(argument);
    return INTEGER.test(value) && Number(value) >= from && Number(value) <= to;
  },
  regex: (value, argument) => new RegExp(argument, "i").test(value),
};

function numbers(argument: string): number[] {
  return argument.split(",").map(Number);
}

/**
 * Reads a route template.
 *
 * @throws Error that says what is wrong with it
 */
export function parseRoute(template: string): Route {
  const texts = splitOutsideBraces(template.replaceAll(/^\/+|\/+$/g, ""), "/");
  const segments = texts.filter((text) => text !== "").map((text) => parseSegment(text, template));
  segments.forEach((segment, at) => {
    const isLast = at === segments.length - 1;
    if (segment.kind === "rest" && !isLast) throw new Error(`route '${template}' goes on after '{*${segment.name}}'`);
  });
  return { template, precedence: segments.map(rankOf).join(""), match: (path) => matchSegments(segments, path) };
}

/** Sorts routes so that the first that fits is the most specific one. */
export function compareRoutes(left: Route, right: Route): number {
  // A shorter template that is a prefix of a longer one sorts first, as its number is smaller.
  return left.precedence < right.precedence ? -1 : left.precedence > right.precedence ? 1 : 0;
}

/** Cuts a path into segments; a trailing slash does not count. */
export function splitPath(pathname: string): string[] {
  const segments = pathname.replace(/^\//, "").split("/");
  if (segments.at(-1) === "") segments.pop();
  return segments;
}

function rankOf(segment: Segment): number {
  switch (segment.kind) {
    case "literal":
      return 1;
    case "mixed":
      return 2;
    case "parameter":
    case "rest":
      return segment.rank;
  }
}

function matchSegments(segments: readonly Segment[], path: readonly string[]): Record<string, string> | undefined {
  const parameters: Record<string, string> = {};
  for (const [at, segment] of segments.entries()) {
    const raw = path[at];
    if (segment.kind === "rest") {
      const rest = path.slice(at).map(decodeSegment).join("/");
      if (rest === "" && segment.fallback !== undefined) parameters[segment.name] = segment.fallback;
      else if (rest !== "" && !segment.accepts(rest)) return undefined;
      // Like an absent optional parameter, an empty rest has no entry.
      else if (rest !== "") parameters[segment.name] = rest;
      return parameters;
    }
    if (raw === undefined || raw === "") {
      if (segment.kind !== "parameter" || raw === "") return undefined;
      if (segment.fallback !== undefined) parameters[segment.name] = segment.fallback;
      else if (!segment.isOptional) return undefined;
      continue;
    }
    const value = decodeSegment(raw);
    if (segment.kind === "literal") {
      if (value.toLowerCase() !== segment.text) return undefined;
    } else if (segment.kind === "parameter") {
      if (!segment.accepts(value)) return undefined;
      parameters[segment.name] = value;
    } else {
      const found = segment.pattern.exec(value);
      if (found === null) return undefined;
      for (const [index, parameter] of segment.parameters.entries()) {
        const part = found[index + 1] ?? "";
        if (!parameter.accepts(part)) return undefined;
        parameters[parameter.name] = part;
      }
    }
  }
  return path.length > segments.length ? undefined : parameters;
}

/** Decodes a segment as the real host's server does: an encoded slash stays encoded, so that it cannot be one. */
function decodeSegment(raw: string): string {
  return raw
    .split(/(%2f)/i)
    .map((part, at) => {
      if (at % 2 === 1) return part;
      try {
        return decodeURIComponent(part);
      } catch {
        return part;
      }
    })
    .join("");
}

function parseSegment(text: string, template: string): Segment {
  if (!/[{}]/.test(text)) return { kind: "literal", text: text.toLowerCase() };
  const parts = cutAtBraces(text, template);
  const [only] = parts;
  if (parts.length === 1 && only?.isParameter) {
    const inner = only.text;
    const isRest = inner.startsWith("*");
    const parameter = parseParameter(isRest ? inner.replace(/^\*{1,2}/, "") : inner, template);
    const isConstrained = inner.includes(":");
    return isRest
      ? { kind: "rest", rank: isConstrained ? 4 : 5, ...parameter }
      : { kind: "parameter", rank: isConstrained ? 2 : 3, ...parameter };
  }
  const parameters: Parameter[] = [];
  const source = parts.map((part) => {
    if (!part.isParameter) return escapePattern(part.text);
    parameters.push(parseParameter(part.text, template));
    return "(.+?)";
  });
  return { kind: "mixed", pattern: new RegExp(`^${source.join("")}$`, "i"), parameters };
}

function parseParameter(text: string, template: string): Parameter {
  const [head = "", ...constraints] = splitOutsideBraces(text, ":");
  const isOptional = text.endsWith("?");
  const equals = head.indexOf("=");
  const name = (equals < 0 ? head : head.slice(0, equals)).replace(/\?$/, "");
  if (!/^[A-Za-z_][\w-]*$/.test(name)) throw new Error(`route '${template}' has a parameter without a proper name`);
  const checks = constraints.map((constraint, at) => {
    const isLast = at === constraints.length - 1;
    return parseConstraint(isOptional && isLast ? constraint.slice(0, -1) : constraint, template);
  });
  return {
    name,
    isOptional,
    ...(equals >= 0 && { fallback: head.slice(equals + 1) }),
    accepts: (value) => checks.every((check) => check(value)),
  };
}

function parseConstraint(text: string, template: string): (value: string) => boolean {
  const [, name = "", argument = ""] = /^([A-Za-z]+)(?:\((.*)\))?$/s.exec(text) ?? [];
  const constraint = CONSTRAINTS[name.toLowerCase()];
  if (constraint === undefined) throw new Error(`route '${template}' has the unknown constraint '${text}'`);
  // Doubled braces stand for single ones inside a template.
  const unescaped = argument.replaceAll("{{", "{").replaceAll("}}", "}");
  return (value) => constraint(value, unescaped);
}

/** Splits at a separator that stands outside of `{}` and `()`. */
function splitOutsideBraces(text: string, separator: string): string[] {
  const parts = [""];
  let depth = 0;
  for (const character of text) {
    if (character === "{" || character === "(") depth++;
    if (character === "}" || character === ")") depth--;
    if (character === separator && depth === 0) parts.push("");
    else parts[parts.length - 1] += character;
  }
  return parts;
}

function cutAtBraces(text: string, template: string): { readonly isParameter: boolean; readonly text: string }[] {
  const parts: { isParameter: boolean; text: string }[] = [];
  let at = 0;
  while (at < text.length) {
    const open = text.indexOf("{", at);
    if (open !== at) {
      parts.push({ isParameter: false, text: text.slice(at, open < 0 ? text.length : open) });
      if (open < 0) break;
    }
    let depth = 0;
    let close = open;
    for (; close < text.length; close++) {
      if (text[close] === "{") depth++;
      if (text[close] === "}" && --depth === 0) break;
    }
    if (close >= text.length) throw new Error(`route '${template}' has a brace that is not closed`);
    parts.push({ isParameter: true, text: text.slice(open + 1, close) });
    at = close + 1;
  }
  return parts;
}

function escapePattern(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
