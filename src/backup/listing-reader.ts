import { countBefore } from "../foundation/binary-search.ts";
import type { NameComparator } from "../vault/listing-order.ts";
import { checkAscending } from "./compare-listing.ts";
import type { ListedBlob } from "./datasource.ts";

export interface Stretch {
  /** Ascending; may be empty. */
  readonly blobs: readonly ListedBlob[];
  /** The next name is at or after the boundary, or there is none. */
  readonly atEnd: boolean;
  /** A page of the listing ended with this stretch: the place to look at the time. */
  readonly pageEnded: boolean;
}

/**
 * Reads a listing in stretches that end at given names, and asks for the next page while one is worked on.
 *
 * Memory: two pages.
 */
export class ListingReader {
  readonly #pages: AsyncIterator<readonly ListedBlob[]>;
  readonly #compare: NameComparator;
  readonly #end: string | undefined;
  /** The next page; absent when the present one reaches the end. */
  #coming: Promise<IteratorResult<readonly ListedBlob[]>> | undefined;
  #page: readonly ListedBlob[] = [];
  #taken = 0;
  #ended = false;
  #lastOfPage: string | undefined;
  #lastName: string | undefined;

  /** @param end - no name at or after it will be taken, so that no page after it needs to be asked for */
  constructor(pages: AsyncIterable<readonly ListedBlob[]>, compare: NameComparator, end?: string) {
    this.#pages = pages[Symbol.asyncIterator]();
    this.#compare = compare;
    this.#end = end;
    this.#coming = this.#ask();
  }

  /** The last name that was taken. */
  get lastName(): string | undefined {
    return this.#lastName;
  }

  /**
   * Takes what is left of the present page, or the next page, as far as it lies before a name.
   *
   * @param until - excluded; absent: to the end of the listing
   * @throws VaultError `listing/out-of-order`
   */
  async take(until: string | undefined): Promise<Stretch> {
    if (this.#taken === this.#page.length && !this.#ended) await this.#turn();
    const from = this.#taken;
    this.#taken = this.#firstAtOrAfter(until);
    const blobs = this.#page.slice(from, this.#taken);
    this.#lastName = blobs.at(-1)?.name ?? this.#lastName;
    const pageEnded = this.#taken === this.#page.length;
    return { blobs, atEnd: pageEnded ? this.#ended : true, pageEnded };
  }

  /** Lets go of a listing that is not read to its end. */
  async close(): Promise<void> {
    await this.#coming?.catch(() => undefined);
    await this.#pages.return?.();
  }

  /** Where the page reaches a name; pages ascend. */
  #firstAtOrAfter(until: string | undefined): number {
    if (until === undefined) return this.#page.length;
    return countBefore(this.#page, ({ name }) => this.#compare(name, until) < 0, this.#taken);
  }

  async #turn(): Promise<void> {
    const result = await (this.#coming ?? this.#ask());
    if (result.done === true) {
      this.#ended = true;
      return;
    }
    checkAscending(result.value, this.#lastOfPage, this.#compare);
    this.#page = result.value;
    this.#taken = 0;
    this.#lastOfPage = result.value.at(-1)?.name ?? this.#lastOfPage;
    const isLast = this.#end !== undefined && this.#compare(this.#lastOfPage ?? "", this.#end) >= 0;
    this.#coming = isLast ? undefined : this.#ask();
  }

  #ask(): Promise<IteratorResult<readonly ListedBlob[]>> {
    const coming = this.#pages.next();
    // The error is thrown where the page is awaited; unhandled it would end the process before that.
    coming.catch(() => undefined);
    return coming;
  }
}
