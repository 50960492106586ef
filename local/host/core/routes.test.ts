import fc from "fast-check";
import { test } from "vitest";
import { compareRoutes, parseRoute, splitPath } from "./routes.ts";

function match(template: string, path: string): Record<string, string> | undefined {
  return parseRoute(template).match(splitPath(path));
}

const MATCHES: readonly [string, string, string, Record<string, string> | undefined][] = [
  ["literals do not differ by case", "Items/New", "/items/NEW", {}],
  ["another literal does not fit", "items", "/things", undefined],
  ["a parameter takes one segment", "items/{id}", "/items/5", { id: "5" }],
  ["a parameter needs its segment", "items/{id}", "/items", undefined],
  ["a trailing slash does not count", "items/{id}", "/items/5/", { id: "5" }],
  ["an empty segment is no value", "items/{id}/x", "/items//x", undefined],
  ["a longer path does not fit", "items/{id}", "/items/5/6", undefined],
  ["an optional parameter may be absent", "items/{id?}", "/items", {}],
  ["an optional parameter may be there", "items/{id?}", "/items/5", { id: "5" }],
  ["a default stands in for an absent segment", "items/{id=7}", "/items", { id: "7" }],
  ["int takes a whole number", "items/{id:int}", "/items/-5", { id: "-5" }],
  ["int refuses text", "items/{id:int}", "/items/five", undefined],
  ["constraints may be several", "items/{id:int:range(1,9)}", "/items/10", undefined],
  ["an optional parameter may be constrained", "items/{id:int?}", "/items", {}],
  ["an optional parameter's constraint holds", "items/{id:int?}", "/items/x", undefined],
  [
    "guid takes a guid",
    "jobs/{id:guid}",
    "/jobs/7E3D9A50-0000-4000-8000-00000000000a",
    { id: "7E3D9A50-0000-4000-8000-00000000000a" },
  ],
  ["guid refuses less", "jobs/{id:guid}", "/jobs/7E3D9A50", undefined],
  ["alpha, with a length", "tags/{tag:alpha:length(2,3)}", "/tags/abc", { tag: "abc" }],
  ["length holds", "tags/{tag:alpha:length(2,3)}", "/tags/abcd", undefined],
  ["regex with braces doubled", "codes/{code:regex(^\\d{{3}}$)}", "/codes/123", { code: "123" }],
  ["regex holds", "codes/{code:regex(^\\d{{3}}$)}", "/codes/1234", undefined],
  ["bool takes true", "flags/{on:bool}", "/flags/TRUE", { on: "TRUE" }],
  ["a mixed segment", "files/{name}.{extension}", "/files/a.b.txt", { name: "a", extension: "b.txt" }],
  ["a mixed segment with a literal end", "files/{name}.json", "/files/list.json", { name: "list" }],
  ["rest takes all that is left", "subscriptions/{*path}", "/subscriptions/a/b/c", { path: "a/b/c" }],
  ["rest may be empty", "subscriptions/{*path}", "/subscriptions", {}],
  ["rest keeps empty segments", "subscriptions/{*path}", "/subscriptions/a//b", { path: "a//b" }],
  ["values are decoded", "items/{id}", "/items/a%20b", { id: "a b" }],
  ["an encoded slash stays encoded", "items/{id}", "/items/a%2Fb", { id: "a%2Fb" }],
  ["a broken escape stays as it is", "items/{id}", "/items/100%", { id: "100%" }],
  ["an empty template is the root", "", "/", {}],
];

for (const [sentence, template, path, expected] of MATCHES) {
  test(`${sentence}: ${template} on ${path}`, async ({ expect }) => {
    expect(match(template, path)).toEqual(expected);
  });
}

test("the most specific route comes first", async ({ expect }) => {
  const sorted = [
    "{*all}",
    "items/{*rest}",
    "items/{name}",
    "items/{id:int}",
    "items/newest",
    "items/{a}.json",
    "items",
  ];
  const shuffled = sorted.toSorted();
  expect(
    shuffled
      .map(parseRoute)
      .sort(compareRoutes)
      .map(({ template }) => template),
  ).toEqual(["items", "items/newest", "items/{a}.json", "items/{id:int}", "items/{name}", "items/{*rest}", "{*all}"]);
});

const BROKEN: readonly [string, RegExp][] = [
  ["items/{*rest}/more", /goes on after/],
  ["items/{id", /not closed/],
  ["items/{}", /without a proper name/],
  ["items/{id:number}", /unknown constraint 'number'/],
];

for (const [template, message] of BROKEN) {
  test(`refuses the template ${template}`, async ({ expect }) => {
    expect(() => parseRoute(template)).toThrow(message);
  });
}

test("a route of parameters gives back what was put into its path", async ({ expect }) => {
  const segment = fc.string({ minLength: 1, maxLength: 12 }).filter((text) => !/^\.{1,2}$|\//.test(text));
  let tried = 0;
  fc.assert(
    fc.property(fc.array(segment, { minLength: 1, maxLength: 5 }), (values) => {
      tried++;
      const template = values.map((_, at) => `{p${at}}`).join("/");
      const path = `/${values.map(encodeURIComponent).join("/")}`;
      expect(match(template, path)).toEqual(Object.fromEntries(values.map((value, at) => [`p${at}`, value])));
    }),
  );
  expect(tried).toBeGreaterThan(50);
});
