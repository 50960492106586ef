import { countBefore } from "../foundation/binary-search.ts";
import type { NameComparator } from "../vault/listing-order.ts";
import { checkAscending } from "./compare-listing.ts";
import type { ListedBlob } from "./datasource.ts";

export interface Stretch {
  /** Ascending; may be empty. */
  readonly blobs: readonly ListedBlob[];
  /** The next name is at or after the boundary, or does not exist. */
  readonly atEnd: boolean;
  /** A page of the listing ended with this part: the place to check the time. */
  readonly pageEnded: boolean;
}

/**
 * Reads a listing in parts that end at given names, and requests the next page while one is processed.
 *
 * Memory: two pages.
 */
export class ListingReader {
  readonly #pages: AsyncIterator<readonly ListedBlob[]>;
  readonly #compare: NameComparator;
  readonly #end: string | undefined;
  /** The next page; absent when the current one reaches the end. */
  #nextPage: Promise<IteratorResult<readonly ListedBlob[]>> | undefined;
  #page: readonly ListedBlob[] = [];
  #taken = 0;
  #ended = false;
  #lastOfPage: string | undefined;
  #lastName: string | undefined;

  /** @param end - no name at or after it is needed, so no page after it is requested */
  constructor(pages: AsyncIterable<readonly ListedBlob[]>, compare: NameComparator, end?: string) {
    this.#pages = pages[Symbol.asyncIterator]();
    this.#compare = compare;
    this.#end = end;
    this.#nextPage = this.#request();
  }

  /** The last name that was taken. */
  get lastName(): string | undefined {
    return this.#lastName;
  }

  /**
   * Takes the rest of the current page, or the next page, up to a name.
   *
   * @param until - excluded; absent: to the end of the listing
   * @throws VaultError `listing/out-of-order`
   */
  async take(until: string | undefined): Promise<Stretch> {
    if (this.#taken === this.#page.length && !this.#ended) await this.#turnPage();
    const from = this.#taken;
    this.#taken = this.#firstAtOrAfter(until);
    const blobs = this.#page.slice(from, this.#taken);
    this.#lastName = blobs.at(-1)?.name ?? this.#lastName;
    const pageEnded = this.#taken === this.#page.length;
    return { blobs, atEnd: pageEnded ? this.#ended : true, pageEnded };
  }

  /** Closes a listing that is not read to its end. */
  async close(): Promise<void> {
    await this.#nextPage?.catch(() => undefined);
    await this.#pages.return?.();
  }

  /** Index in the page of the first name at or after a name; pages ascend. */
  #firstAtOrAfter(until: string | undefined): number {
    if (until === undefined) return this.#page.length;
    return countBefore(this.#page, ({ name }) => this.#compare(name, until) < 0, this.#taken);
  }

  async #turnPage(): Promise<void> {
    const result = await (this.#nextPage ?? this.#request());
    if (result.done === true) {
      this.#ended = true;
      return;
    }
    checkAscending(result.value, this.#lastOfPage, this.#compare);
    this.#page = result.value;
    this.#taken = 0;
    this.#lastOfPage = result.value.at(-1)?.name ?? this.#lastOfPage;
    const isLast = this.#end !== undefined && this.#compare(this.#lastOfPage ?? "", this.#end) >= 0;
    this.#nextPage = isLast ? undefined : this.#request();
  }

  #request(): Promise<IteratorResult<readonly ListedBlob[]>> {
    const page = this.#pages.next();
    // The error is thrown where the page is awaited; until then it must not end the process as unhandled.
    page.catch(() => undefined);
    return page;
  }
}
