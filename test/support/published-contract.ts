/**
 * @module
 * Microsoft's published description of the API, with its examples, if the machine has it. It is not in the project;
 * `DATAPROTECTION_CONTRACT` is its folder, by default one next to the project.
 */
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Ajv, type ValidateFunction } from "ajv";
import formats from "ajv-formats";

const FOLDER = resolve(
  process.env["DATAPROTECTION_CONTRACT"] ?? join(import.meta.dirname, "../../../shared/dataprotection"),
);
const SCHEMA_FILE = "jsonschema.draft07.json";

/** Why tests that need the description cannot run here; undefined when they can. */
export const missingContract: string | undefined = existsSync(join(FOLDER, SCHEMA_FILE))
  ? undefined
  : "the published description of the API is not on this machine; DATAPROTECTION_CONTRACT names its folder";

type Schema = {
  readonly $ref?: string;
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: unknown;
  readonly items?: Schema;
  readonly allOf?: readonly Schema[];
  readonly if?: { readonly properties?: { readonly objectType?: { readonly const?: string } } };
  readonly then?: Schema;
};

interface Description {
  readonly definitions: Readonly<Record<string, Schema>>;
}

export interface PublishedExample {
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly operationId: string;
}

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(join(FOLDER, path), "utf8")) as T;
}

export function publishedExample(path: string): PublishedExample {
  return readJson<PublishedExample>(`examples/${path}`);
}

/** The policy bodies that Azure's CLI puts by default. */
export function publishedPolicy(path: string): unknown {
  return readJson(`policies/${path}`);
}

/** Validates responses against the published schemas. */
export class PublishedContract {
  readonly #description = readJson<Description>(SCHEMA_FILE);
  readonly #ajv = new Ajv({ strict: false, allErrors: true });

  constructor() {
    formats.default(this.#ajv);
    this.#ajv.addSchema(this.#description, "contract");
  }

  /** @returns the problems of a value, empty when it is valid; undeclared members count as problems */
  problems(definition: string, value: unknown): string[] {
    const validate = this.#ajv.getSchema(`contract#/definitions/${definition}`) as ValidateFunction | undefined;
    if (validate === undefined) return [`there is no definition '${definition}'`];
    validate(value);
    const errors = (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
    return [...errors, ...this.#undeclared({ $ref: `#/definitions/${definition}` }, value, "")];
  }

  #undeclared(schema: Schema, value: unknown, path: string): string[] {
    const parts = this.#applying(schema, value);
    if (Array.isArray(value)) {
      const items = parts.find((part) => part.items !== undefined)?.items;
      return items === undefined ? [] : value.flatMap((item, at) => this.#undeclared(items, item, `${path}/${at}`));
    }
    if (typeof value !== "object" || value === null) return [];
    const declared = Object.assign({}, ...parts.map((part) => part.properties ?? {})) as Record<string, Schema>;
    if (Object.keys(declared).length === 0) return [];
    return Object.entries(value).flatMap(([name, member]) => {
      const of = declared[name];
      return of === undefined ? [`${path}/${name} is not declared`] : this.#undeclared(of, member, `${path}/${name}`);
    });
  }

  /** The schemas of a value: follows references, and the branch of its objectType. */
  #applying(schema: Schema, value: unknown): Schema[] {
    const { $ref, allOf = [], then } = schema;
    if ($ref !== undefined) {
      return this.#applying(this.#description.definitions[$ref.replace("#/definitions/", "")] ?? {}, value);
    }
    if (schema.if !== undefined) {
      const type = (value as { objectType?: unknown } | null)?.objectType;
      return then !== undefined && schema.if.properties?.objectType?.const === type ? this.#applying(then, value) : [];
    }
    return [schema, ...allOf.flatMap((part) => this.#applying(part, value))];
  }
}
