import { z } from "zod";
import { type FailureCode, VaultError } from "../foundation/errors.ts";

/** Problems told at once. */
const MAX_PROBLEMS = 5;

/**
 * Reads JSON as a caller sent it. Member names that the schema knows match in any letter case, null counts as absent,
 * and what the schema does not know stays as it came.
 *
 * @param code - the failure when it does not fit
 * @throws VaultError with the code, naming each member that does not fit
 */
export function readWire<S extends z.ZodType>(
  schema: S,
  value: unknown,
  code: FailureCode = "request/invalid",
): z.output<S> {
  const result = schema.safeParse(canonicalMembers(schema, value));
  if (result.success) return result.data;
  const problems = result.error.issues.slice(0, MAX_PROBLEMS).map(({ path, message }) => {
    const where = path.map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`)).join("");
    return `${where.replace(/^\./, "") || "the body"}: ${message}`;
  });
  throw new VaultError(code, `the request body is not valid: ${problems.join("; ")}`);
}

/**
 * Longest resource, in characters of JSON, that is kept as it was put. A record may have 500,000 characters of ASCII,
 * and a character may need six of them.
 */
const MAX_STORED_LENGTH = 80_000;

/**
 * Reads a resource that is kept as it was put, as {@link readWire} does.
 *
 * @throws VaultError with the code; `request/too-large` when it would not fit into a record
 */
export function readKept<S extends z.ZodType>(schema: S, value: unknown, code?: FailureCode): z.output<S> {
  const length = JSON.stringify(value).length;
  if (length > MAX_STORED_LENGTH) {
    throw new VaultError("request/too-large", `the resource has ${length} characters, more than ${MAX_STORED_LENGTH}`);
  }
  return readWire(schema, value, code);
}

/**
 * Renames members to the letter case of the schema and leaves out those that are null.
 * Where a caller sent a name in two cases, the schema's own counts, else the first.
 */
function canonicalMembers(schema: z.ZodType, value: unknown): unknown {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodArray && Array.isArray(value)) {
    const element = inner.element as z.ZodType;
    return value.map((item) => canonicalMembers(element, item));
  }
  if (inner instanceof z.ZodRecord && isObject(value)) {
    return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== null));
  }
  if (!(inner instanceof z.ZodObject && isObject(value))) return value;

  const shape: Record<string, z.ZodType> = inner.shape;
  const known = new Map(Object.keys(shape).map((name) => [name.toLowerCase(), name]));
  const members = new Map<string, unknown>();
  for (const [sent, member] of Object.entries(value)) {
    const name = known.get(sent.toLowerCase());
    const memberSchema = name === undefined ? undefined : shape[name];
    if (name === undefined || memberSchema === undefined) {
      // Assigning to this name anywhere would change an object's prototype.
      if (sent !== "__proto__") members.set(sent, member);
    } else if (member !== null && (sent === name || !members.has(name))) {
      members.set(name, canonicalMembers(memberSchema, member));
    }
  }
  return Object.fromEntries(members);
}

function unwrap(schema: z.ZodType): z.ZodType {
  return schema instanceof z.ZodOptional ? unwrap(schema.unwrap() as z.ZodType) : schema;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
