/**
 * @module
 * Parses the XML of List Blobs, and of List Containers, which is similar.
 *
 * @see https://learn.microsoft.com/rest/api/storageservices/list-blobs#response-body
 */

import type { BlobType } from "@azure/storage-blob";
import { SaxesParser } from "saxes";
import { present } from "../foundation/present.ts";

/** Properties, by the SDK's names; missing ones are omitted. */
export interface ListedProperties {
  /** Without quotes. */
  readonly etag: string;
  readonly lastModified: Date;
  readonly createdOn?: Date;
  readonly contentLength?: number;
  readonly contentType?: string;
  readonly contentEncoding?: string;
  readonly contentLanguage?: string;
  readonly contentDisposition?: string;
  readonly cacheControl?: string;
  readonly contentMD5?: Uint8Array;
  readonly blobType?: BlobType;
  readonly accessTier?: string;
  readonly accessTierInferred?: boolean;
  readonly copyStatus?: string;
  readonly copyId?: string;
  readonly copySource?: string;
  /** Public access level of a container: `blob` or `container`. */
  readonly publicAccess?: string;
  /** `file` or `directory`; accounts with a hierarchical namespace only. */
  readonly resourceType?: string;
  /** Number of index tags; flat accounts only. */
  readonly tagCount?: number;
}

export interface ListedItem {
  readonly name: string;
  /** Time of a snapshot; absent: the blob itself. */
  readonly snapshot?: string;
  readonly properties: ListedProperties;
  /** Names in their original case. Absent if not requested, or if there are none. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Metadata names that XML cannot encode; the service omits their values. */
  readonly untoldMetadata?: readonly string[];
  readonly tags?: Readonly<Record<string, string>>;
}

export interface ListedPage {
  readonly blobs: readonly ListedItem[];
  /** Start of the next page; empty: this is the last one. */
  readonly nextMarker: string;
}

/**
 * Parses one page of a listing.
 *
 * @throws Error when it is not a complete and well-formed answer, as the service documents it
 */
export function parseListing(xml: string): ListedPage {
  const parser = new SaxesParser();
  const page = new PageReader();
  // XML forbids most control characters, also as references; a blob's name may have them nevertheless, and the service
  // writes them. So references to them become entities of our own, and raw ones are allowed.
  for (let code = 0; code < 0x20; code++) parser.ENTITIES[controlEntity(code)] = String.fromCharCode(code);
  for (const code of [0xfffe, 0xffff]) parser.ENTITIES[controlEntity(code)] = String.fromCharCode(code);
  parser.on("error", (error) => {
    if (!error.message.endsWith("disallowed character.")) throw error;
  });
  parser.on("opentag", ({ name, attributes }) => page.open(name, attributes["Encoded"] === "true"));
  parser.on("text", (text) => page.add(text));
  parser.on("closetag", ({ name }) => page.close(name));
  parser.write(withNamedControls(xml)).close();
  return page.end();
}

const controlEntity = (code: number): string => `control${code}`;

const REFERENCE = /&#(?:x([0-9a-fA-F]+)|([0-9]+));/g;

/** A raw carriage return would be parsed as a line feed. */
function withNamedControls(xml: string): string {
  if (!xml.includes("&#") && !xml.includes("\r")) return xml;
  const start = Math.max(0, xml.indexOf("<EnumerationResults"));
  const body = xml
    .slice(start)
    .replace(REFERENCE, (reference, hex: string | undefined, decimal: string | undefined) => {
      const code = hex === undefined ? Number.parseInt(decimal ?? "", 10) : Number.parseInt(hex, 16);
      return code < 0x20 || code === 0xfffe || code === 0xffff ? `&${controlEntity(code)};` : reference;
    })
    .replaceAll("\r", `&${controlEntity(0x0d)};`);
  // Text after the document is no part of it, and references are not allowed there.
  const end = body.lastIndexOf(">") + 1;
  return xml.slice(0, start) + body.slice(0, end);
}

/** Data of the current blob's element. */
interface Draft {
  name?: string;
  snapshot?: string;
  readonly properties: Map<string, string>;
  readonly metadata: [string, string][];
  readonly untold: string[];
  readonly tags: [string, string][];
}

function emptyDraft(): Draft {
  return { properties: new Map(), metadata: [], untold: [], tags: [] };
}

const ITEMS = new Set(["Blob", "Container"]);

class PageReader {
  readonly #blobs: ListedItem[] = [];
  readonly #path: string[] = [];
  #nextMarker: string | undefined;
  #isRootClosed = false;
  #text = "";
  #isEncoded = false;
  #draft = emptyDraft();
  #tagKey = "";

  open(name: string, isEncoded: boolean): void {
    this.#path.push(name);
    this.#text = "";
    this.#isEncoded = isEncoded;
    if (this.#path.length === 3 && ITEMS.has(name)) this.#draft = emptyDraft();
  }

  add(text: string): void {
    this.#text += text;
  }

  close(name: string): void {
    const path = this.#path;
    path.pop();
    const text = this.#isEncoded ? decodeURIComponent(this.#text) : this.#text;
    this.#text = "";
    this.#isEncoded = false;
    if (path.length === 0) this.#isRootClosed = name === "EnumerationResults";
    else if (path.length === 1 && name === "NextMarker") this.#nextMarker = text;
    else if (path.length === 2 && ITEMS.has(name)) this.#blobs.push(itemOf(this.#draft));
    else if (ITEMS.has(path[2] ?? "")) this.#closeInBlob(path.slice(3), name, text);
  }

  #closeInBlob([part, ...within]: readonly string[], name: string, text: string): void {
    const draft = this.#draft;
    if (part === undefined) {
      if (name === "Name") draft.name = text;
      else if (name === "Snapshot") draft.snapshot = text;
    } else if (part === "Properties" && within.length === 0) draft.properties.set(name, text);
    else if (part === "Metadata" && within.length === 0) {
      if (name === "x-ms-invalid-name") draft.untold.push(text);
      else draft.metadata.push([name, text]);
    } else if (part === "Tags" && within.length === 2) {
      if (name === "Key") this.#tagKey = text;
      else if (name === "Value") draft.tags.push([this.#tagKey, text]);
    }
  }

  end(): ListedPage {
    if (!this.#isRootClosed) throw new Error("the answer is not a listing");
    if (this.#nextMarker === undefined) throw new Error("the listing has no NextMarker");
    return { blobs: this.#blobs, nextMarker: this.#nextMarker };
  }
}

function itemOf({ name, snapshot, properties, metadata, untold, tags }: Draft): ListedItem {
  if (name === undefined || name === "") throw new Error("the listing has a blob without a name");
  return {
    name,
    ...present({ snapshot }),
    properties: propertiesOf(name, properties),
    ...(metadata.length === 0 ? {} : { metadata: Object.fromEntries(metadata) }),
    ...(untold.length === 0 ? {} : { untoldMetadata: untold }),
    ...(tags.length === 0 ? {} : { tags: Object.fromEntries(tags) }),
  };
}

const TEXTS = {
  "Content-Type": "contentType",
  "Content-Encoding": "contentEncoding",
  "Content-Language": "contentLanguage",
  "Content-Disposition": "contentDisposition",
  "Cache-Control": "cacheControl",
  BlobType: "blobType",
  AccessTier: "accessTier",
  CopyStatus: "copyStatus",
  CopyId: "copyId",
  CopySource: "copySource",
  PublicAccess: "publicAccess",
  ResourceType: "resourceType",
} as const satisfies Record<string, keyof ListedProperties>;

function propertiesOf(name: string, told: ReadonlyMap<string, string>): ListedProperties {
  const etag = told.get("Etag");
  const lastModified = dateOf(told.get("Last-Modified"));
  if (!etag || lastModified === undefined) throw new Error(`the listing has no version of '${name}'`);
  const properties: Record<string, unknown> = { etag: etag.replace(/^"(.*)"$/, "$1"), lastModified };
  for (const [element, property] of Object.entries(TEXTS)) {
    const text = told.get(element);
    if (text) properties[property] = text;
  }
  const createdOn = dateOf(told.get("Creation-Time"));
  if (createdOn !== undefined) properties["createdOn"] = createdOn;
  const [length, md5, isInferred] = ["Content-Length", "Content-MD5", "AccessTierInferred"].map((of) => told.get(of));
  if (length) properties["contentLength"] = lengthOf(name, length);
  if (md5) properties["contentMD5"] = Buffer.from(md5, "base64");
  const tagCount = Number(told.get("TagCount"));
  if (tagCount > 0) properties["tagCount"] = tagCount;
  if (isInferred) properties["accessTierInferred"] = isInferred === "true";
  return properties as unknown as ListedProperties;
}

function dateOf(text: string | undefined): Date | undefined {
  const date = new Date(text ?? "");
  return Number.isNaN(date.getTime()) ? undefined : date;
}

function lengthOf(name: string, text: string): number {
  const length = Number(text);
  if (Number.isSafeInteger(length) && length >= 0) return length;
  throw new Error(`the listing has no length of '${name}'`);
}
