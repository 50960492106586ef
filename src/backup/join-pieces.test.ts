import fc from "fast-check";
import { test } from "vitest";
import { NO_TOTALS } from "../jobs/job-totals.ts";
import { LISTING_START, type ListingPosition } from "../jobs/listing-position.ts";
import type { PieceRecord } from "../jobs/work.ts";
import { nameComparator } from "../vault/listing-order.ts";
import { NO_WARNINGS } from "../vault/seal.ts";
import { joinPieces } from "./join-pieces.ts";

const compare = nameComparator("utf-16");

const at = (name: string): ListingPosition => ({ name, after: false });
const past = (name: string): ListingPosition => ({ name, after: true });

function piece(from: ListingPosition, to: ListingPosition | undefined, range = "000000"): PieceRecord {
  return {
    kind: "piece",
    container: "raw",
    range,
    piece: 0,
    from,
    ...(to === undefined ? {} : { to }),
    segments: [],
    totals: NO_TOTALS,
    warnings: NO_WARNINGS,
    nextSegment: 0,
  };
}

const INCOMPLETE = { code: "manifest/incomplete" };

test("pieces that were processed in any order are sorted in listing order", ({ expect }) => {
  const pieces = [piece(LISTING_START, at("b")), piece(at("b"), past("m")), piece(past("m"), undefined)];
  const [first, second, third] = pieces;
  expect(joinPieces("raw", [third, first, second] as PieceRecord[], compare)).toEqual(pieces);
});

test("one piece from the beginning to the end is a complete container", ({ expect }) => {
  const only = piece(LISTING_START, undefined);
  expect(joinPieces("raw", [only], compare)).toEqual([only]);
});

test.for([
  ["no piece at all", []],
  ["a lost beginning", [piece(at("b"), undefined)]],
  ["a lost middle", [piece(LISTING_START, at("b")), piece(at("c"), undefined)]],
  ["a lost end", [piece(LISTING_START, at("b")), piece(at("b"), at("c"))]],
  ["a name that two pieces both hold", [piece(LISTING_START, at("c")), piece(at("b"), undefined)]],
  ["a piece that comes twice", [piece(LISTING_START, at("b")), piece(at("b"), at("c")), piece(at("b"), at("c"))]],
  ["two pieces that both reach the end", [piece(LISTING_START, undefined), piece(LISTING_START, undefined)]],
  ["a piece after the one that reached the end", [piece(LISTING_START, undefined), piece(at("b"), undefined)]],
  [
    "a name that was left out between before and after it",
    [piece(LISTING_START, at("b")), piece(past("b"), undefined)],
  ],
  ["a name that was taken before and after it", [piece(LISTING_START, past("b")), piece(at("b"), undefined)]],
] as const)("%s is found before anything is sealed", ([, pieces], { expect }) => {
  expect(() => joinPieces("raw", pieces, compare)).toThrow(expect.objectContaining(INCOMPLETE));
});

test("the error has the container and the place, and the hint that nothing is lost", ({ expect }) => {
  const pieces = [piece(LISTING_START, at("b")), piece(at("c"), undefined)];
  expect(() => joinPieces("raw", pieces, compare)).toThrow("container 'raw' do not join at 'c'");
  expect(() => joinPieces("raw", pieces.slice(0, 1), compare)).toThrow("container 'raw' do not join at 'b'");
  try {
    joinPieces("raw", pieces, compare);
    expect.unreachable();
  } catch (error) {
    expect(error).toMatchObject({ ...INCOMPLETE, hint: expect.stringContaining("nothing was sealed") });
  }
});

test.for([
  ["where it began", piece(at("b"), at("b")), piece(at("b"), undefined)],
  ["where it began, before a piece that ends further on", piece(at("b"), at("b")), piece(at("b"), at("c"))],
  ["just after a name", piece(past("b"), past("b")), piece(past("b"), at("c"))],
] as const)(
  "a piece that had time for nothing and ends %s comes before the one that goes on",
  ([, empty, full], { expect }) => {
    const start = piece(LISTING_START, empty.from);
    const rest = full.to === undefined ? [] : [piece(full.to, undefined)];
    const joined = [start, empty, full, ...rest];
    expect(joinPieces("raw", joined, compare)).toEqual(joined);
    expect(joinPieces("raw", joined.toReversed(), compare)).toEqual(joined);
  },
);

/** Cuts in listing order make a chain of pieces; positions at a name come before those after it. */
const chains = fc
  .array(fc.record({ name: fc.string({ minLength: 1, maxLength: 3 }), after: fc.boolean() }), { maxLength: 8 })
  .map((cuts) => cuts.toSorted((a, b) => compare(a.name, b.name) || Number(a.after) - Number(b.after)))
  .map((cuts) => [LISTING_START, ...cuts].map((from, i) => piece(from, cuts[i], String(i).padStart(6, "0"))));

test("any chain of pieces joins, in whatever order it comes, but not if one is missing", ({ expect }) => {
  let shortened = 0;
  fc.assert(
    fc.property(
      chains.chain((pieces) =>
        fc.tuple(fc.constant(pieces), fc.shuffledSubarray(pieces, { minLength: pieces.length }), fc.nat()),
      ),
      ([pieces, shuffled, pick]) => {
        const ends = ({ from, to }: PieceRecord): unknown => [from, to];
        expect(joinPieces("raw", shuffled, compare).map(ends)).toEqual(pieces.map(ends));
        const lost = pieces[pick % pieces.length];
        const isEmpty = lost?.to !== undefined && lost.to.name === lost.from.name && lost.to.after === lost.from.after;
        if (isEmpty) return;
        shortened += 1;
        expect(() =>
          joinPieces(
            "raw",
            shuffled.filter((one) => one !== lost),
            compare,
          ),
        ).toThrow(expect.objectContaining(INCOMPLETE));
      },
    ),
  );
  expect(shortened).toBeGreaterThan(50);
});
