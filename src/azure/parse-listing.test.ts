import fc from "fast-check";
import { describe, test } from "vitest";
import { parseListing } from "./parse-listing.ts";

const isControl = (sign: string): boolean => sign < " " && sign !== "\n" && sign !== "\t";

/** As the service writes text: markup as entities, what a reader would change as references, and no more. */
function escaped(text: string): string {
  const marked = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return [...marked]
    .map((sign) => (isControl(sign) ? `&#x${sign.charCodeAt(0).toString(16).toUpperCase()};` : sign))
    .join("");
}

const PROPERTIES =
  "<Last-Modified>Fri, 27 Nov 2026 17:48:20 GMT</Last-Modified><Etag>0x8D1</Etag><Content-Length>7</Content-Length>";

function blobOf(name: string, rest = "", properties = PROPERTIES): string {
  const needsEncoding = /[\ufffe\uffff]/.test(name);
  const element = needsEncoding
    ? `<Name Encoded="true">${encodeURIComponent(name)}</Name>`
    : `<Name>${escaped(name)}</Name>`;
  return `<Blob>${element}<Properties>${properties}</Properties>${rest}</Blob>`;
}

function pageOf(blobs: readonly string[], marker = ""): string {
  const head = '\ufeff<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="raw">';
  const next = marker === "" ? "<NextMarker />" : `<NextMarker>${escaped(marker)}</NextMarker>`;
  return `${head}<MaxResults>5000</MaxResults><Blobs>${blobs.join("")}</Blobs>${next}</EnumerationResults>`;
}

const text = fc.oneof(
  fc.string({ minLength: 1 }),
  fc.string({ minLength: 1, unit: "binary" }).filter((value) => value.isWellFormed()),
  fc.string({ minLength: 1, unit: fc.constantFrom("&", "#", "x", "D", ";", "\r", "\n", " ", "<", "\u0001", "\u2028") }),
  fc.constantFrom("&#xD;", "&amp;#xD;", "]]>", " a ", "\r\n", "__proto__", "a\u0085b", "control13", "&control13;"),
);
const key = fc.oneof(
  fc.constantFrom("_", "constructor", "__proto__", "toString", "valueOf", "hasOwnProperty", "Mixed", "hdi_isfolder"),
  fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/),
);

test("names, metadata, tags and marker are parsed exactly", ({ expect }) => {
  const pairs = fc.uniqueArray(fc.tuple(key, text), { selector: ([name]) => name, maxLength: 4 });
  const tagged = fc.uniqueArray(fc.tuple(text, text), { selector: ([name]) => name, maxLength: 4 });
  let odd = 0;
  fc.assert(
    fc.property(fc.array(fc.tuple(text, pairs, tagged), { maxLength: 4 }), text, (blobs, marker) => {
      const xml = pageOf(
        blobs.map(([name, metadata, tags]) => {
          const told = metadata.map(([of, value]) => `<${of}>${escaped(value)}</${of}>`).join("");
          const tag = tags
            .map(([of, v]) => `<Tag><Key>${escaped(of)}</Key><Value>${escaped(v)}</Value></Tag>`)
            .join("");
          return blobOf(name, `<Metadata>${told}</Metadata><Tags><TagSet>${tag}</TagSet></Tags>`);
        }),
        marker,
      );
      const { blobs: read, nextMarker } = parseListing(xml);
      expect(nextMarker).toBe(marker);
      expect(read.map(({ name }) => name)).toEqual(blobs.map(([name]) => name));
      expect(read.map(({ metadata }) => Object.entries(metadata ?? {}).sort())).toEqual(
        blobs.map(([, metadata]) => [...metadata].sort()),
      );
      expect(read.map(({ tags }) => Object.entries(tags ?? {}).sort())).toEqual(
        blobs.map(([, , tags]) => [...tags].sort()),
      );
      odd += blobs.filter(([name]) => [...name].some(isControl)).length;
    }),
    { numRuns: 500 },
  );
  expect(odd).toBeGreaterThan(20);
});

test("a carriage return and its escaped text are two names", ({ expect }) => {
  const xml = pageOf(
    ["<Blob><Name>Icon&#xD;</Name>", "<Blob><Name>Icon&#13;</Name>", "<Blob><Name>Icon&amp;#xD;</Name>"].map(
      (start) => `${start}<Properties>${PROPERTIES}</Properties></Blob>`,
    ),
  );
  expect(parseListing(xml).blobs.map(({ name }) => name)).toEqual(["Icon\r", "Icon\r", "Icon&#xD;"]);
});

test("what is written raw is read raw, whatever XML makes of line ends", ({ expect }) => {
  const raw = "a\rb\r\nc\u0001d";
  const xml = pageOf([`<Blob><Name>${raw}</Name><Properties>${PROPERTIES}</Properties></Blob>`]);
  expect(parseListing(xml).blobs[0]?.name).toBe(raw);
});

test("properties are as in the SDK, and empty ones are absent", ({ expect }) => {
  const properties = `${PROPERTIES.replace("0x8D1", '"0x8D1"')}<Creation-Time>Thu, 26 Nov 2026 00:00:00 GMT</Creation-Time>
    <Content-Type>text/plain</Content-Type><Content-Encoding /><Content-Language>de</Content-Language>
    <Content-MD5>sQqNsWTgdUEFt6mb5y4/5Q==</Content-MD5><Content-CRC64 /><Cache-Control></Cache-Control>
    <Content-Disposition>attachment; filename="ü.txt"</Content-Disposition><BlobType>AppendBlob</BlobType>
    <AccessTier>Hot</AccessTier><AccessTierInferred>true</AccessTierInferred><CopyId>1</CopyId>
    <CopyStatus>pending</CopyStatus><CopySource>https://a/b</CopySource><ResourceType>file</ResourceType>`;
  const xml = pageOf([blobOf("a", "<Snapshot>2026-11-27T17:48:20.1234567Z</Snapshot>", properties)]);
  expect(parseListing(xml).blobs).toEqual([
    {
      name: "a",
      snapshot: "2026-11-27T17:48:20.1234567Z",
      properties: {
        etag: "0x8D1",
        lastModified: new Date("2026-11-27T17:48:20Z"),
        createdOn: new Date("2026-11-26T00:00:00Z"),
        contentLength: 7,
        contentType: "text/plain",
        contentLanguage: "de",
        contentDisposition: 'attachment; filename="ü.txt"',
        contentMD5: Buffer.from("sQqNsWTgdUEFt6mb5y4/5Q==", "base64"),
        blobType: "AppendBlob",
        accessTier: "Hot",
        accessTierInferred: true,
        copyId: "1",
        copyStatus: "pending",
        copySource: "https://a/b",
        resourceType: "file",
      },
    },
  ]);
});

test("metadata whose name XML cannot encode is reported, so that it is not lost silently", ({ expect }) => {
  const metadata = "<Metadata><a>1</a><x-ms-invalid-name>b c</x-ms-invalid-name></Metadata>";
  expect(parseListing(pageOf([blobOf("a", metadata)])).blobs[0]).toMatchObject({
    metadata: { a: "1" },
    untoldMetadata: ["b c"],
  });
});

test("elements within elements of other kinds are not taken for a blob's own", ({ expect }) => {
  const rest = "<OrMetadata><or-policy><Name>x</Name></or-policy></OrMetadata><Metadata><Name>m</Name></Metadata>";
  expect(parseListing(pageOf([blobOf("a", rest)])).blobs).toMatchObject([{ name: "a", metadata: { Name: "m" } }]);
});

describe("never counts as a shorter page", () => {
  const whole = pageOf([blobOf("a"), blobOf("b", "<Metadata><k>v</k></Metadata>")], "more");

  test("a page that is cut, wherever it is", ({ expect }) => {
    let cuts = 0;
    for (let end = 0; end < whole.length - 1; end++, cuts++) expect(() => parseListing(whole.slice(0, end))).toThrow();
    expect(cuts).toBeGreaterThan(500);
  });

  test.for([
    ["another document", '<?xml version="1.0"?><Error><Code>ServerBusy</Code></Error>'],
    ["a page that does not say whether it is the last", whole.replace(/<NextMarker>.*<\/NextMarker>/, "")],
    ["a page with elements that do not match", whole.replace("</Properties>", "</Property>")],
    ["a blob without a name", pageOf([`<Blob><Properties>${PROPERTIES}</Properties></Blob>`])],
    ["a blob without a version", pageOf([blobOf("a", "", PROPERTIES.replace(/<Etag>.*<\/Etag>/, ""))])],
    ["a blob whose length is none", pageOf([blobOf("a", "", PROPERTIES.replace(">7<", ">-7<"))])],
    ["an entity that nobody has declared", whole.replace("<Name>a", "<Name>&nbsp;")],
    ["nothing", ""],
  ] as const)("%s", ([, xml], { expect }) => {
    expect(() => parseListing(xml)).toThrow();
  });
});
