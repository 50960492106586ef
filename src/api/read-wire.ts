import { z } from "zod";
import { type FailureCode, VaultError } from "../foundation/errors.ts";

/** Max problems in one message. */
const MAX_PROBLEMS = 5;

/**
 * Parses JSON from a caller. Member names of the schema are case-insensitive, null counts as absent, and unknown
 * members stay unchanged.
 *
 * @param code - of the failure when it is invalid
 * @throws VaultError with the code, naming each invalid member
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
 * Max size of a resource that is stored unchanged, in characters of JSON. A record may have 500,000 characters of
 * ASCII, and a character may need six of them.
 */
const MAX_STORED_LENGTH = 80_000;

/**
 * Parses a resource that is stored unchanged, like {@link readWire}.
 *
 * @throws VaultError with the code; `request/too-large` when it does not fit into a record
 */
export function readKept<S extends z.ZodType>(schema: S, value: unknown, code?: FailureCode): z.output<S> {
  const length = JSON.stringify(value).length;
  if (length > MAX_STORED_LENGTH) {
    throw new VaultError("request/too-large", `the resource has ${length} characters, more than ${MAX_STORED_LENGTH}`);
  }
  return readWire(schema, value, code);
}

/**
 * Renames members to the letter case of the schema and omits those that are null.
 * If a caller sent a name in two cases, the schema's own wins, else the first.
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
      // Assigning to this name would change an object's prototype.
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
