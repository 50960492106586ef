import type { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import { type Entry, type EntryLine, headOf } from "../vault/entry.ts";
import { joinWarnings, MAX_WARNINGS, type Warning, type Warnings } from "../vault/seal.ts";
import type { BackupVault } from "./backup-vault.ts";
import { BlobBlame } from "./blob-blame.ts";
import { type Change, relabel } from "./compare-listing.ts";
import { copyVersion, type Taken } from "./copy-version.ts";
import type { PieceContext } from "./piece-context.ts";

/** Characters of a piece's warnings: its row must have space for its segments too. */
const MAX_WARNINGS_LENGTH = 200_000;

type WrittenChange = Extract<Change, { kind: "written" }>;

/** Turns the changes between a listing and the previous manifest into entries, and copies what is new. */
export class ChangeTaker {
  readonly #piece: PieceContext;
  readonly #blame: BlobBlame;
  readonly #warnings: Warning[] = [];
  /** Number of changes that are done. */
  #taken = 0;

  constructor(piece: PieceContext) {
    this.#piece = piece;
    this.#blame = new BlobBlame(piece.vault, piece.job.id, piece.message.container);
  }

  get warnings(): Warnings {
    return joinWarnings([{ count: this.#piece.totals.warned, first: this.#warnings }], MAX_WARNINGS_LENGTH);
  }

  /**
   * Returns the entries of a part of the listing, after copying what is new.
   *
   * @returns the entries, up to the change at which it had to stop, if any
   * @throws VaultError the reason for the stop, if it was not lack of time and the piece has no result so far
   */
  async take(
    changes: readonly Change[],
  ): Promise<{ readonly entries: (Entry | EntryLine)[]; readonly stoppedAt?: number }> {
    const entries: (Entry | EntryLine)[] = [];
    let taken = 0;
    for (const slice of this.#slices(changes)) {
      if (taken > 0 && !(this.#piece.hasTime() && (await this.#piece.isWanted()))) return { entries, stoppedAt: taken };
      const { copies, gaveUp } = await this.#copyAll(slice);
      for (const change of slice) {
        const copy = copies.get(change);
        if (change.kind === "written" && copy === undefined) {
          if (gaveUp !== undefined && this.#taken === 0) throw gaveUp;
          // Only changes before it count; of later copies the next piece may find another version.
          if (copies.size > 0) await this.#piece.noteRepeat();
          return { entries, stoppedAt: taken };
        }
        const entry = copy === undefined ? this.#keep(change) : this.#settle(change, copy);
        if (entry !== undefined) entries.push(entry);
        copies.delete(change);
        taken += 1;
        this.#taken += 1;
      }
    }
    return { entries };
  }

  /** Cuts the changes into slices whose copies are done quickly, unless a single blob is large. */
  #slices(changes: readonly Change[]): Change[][] {
    const slices: Change[][] = [];
    let slice: Change[] = [];
    let bytes = 0;
    for (const change of changes) {
      const size = change.kind === "written" ? change.now.size : 0;
      if (slice.length > 0 && bytes + size > this.#piece.deps.settings.sliceBytes) {
        slices.push(slice);
        slice = [];
        bytes = 0;
      }
      slice.push(change);
      bytes += size;
    }
    return slice.length === 0 ? slices : [...slices, slice];
  }

  /**
   * Copies what is new in a slice, while there is time. A copy whose end is not known, or that was made although its
   * answer was lost, may have left an object that no manifest will name.
   *
   * @returns the results of the finished copies
   */
  async #copyAll(
    changes: readonly Change[],
  ): Promise<{ readonly copies: Map<Change, Taken>; readonly gaveUp?: VaultError }> {
    const written = changes.filter((change) => change.kind === "written");
    const { container } = this.#piece.message;
    const { sequence: birth, time = this.#piece.job.startedAt } = this.#piece.job.recoveryPoint;
    const copies = new Map<Change, Taken>();
    const unsure = new Map<WrittenChange, Set<string>>();
    let copiedBytes = 0;
    const shouldContinue = (): boolean => {
      // Also called while all copies wait, so that the job shows a heartbeat.
      this.#piece.noteProgress({ listed: copies.size, copied: copies.size, copiedBytes });
      return this.#piece.hasTime();
    };
    const copyOne = async (change: WrittenChange): Promise<Taken> => {
      const before = unsure.get(change);
      const tried = before ?? new Set();
      unsure.set(change, tried);
      const vault: Pick<BackupVault, "copyObject"> = {
        copyObject: (version, ...rest) => {
          tried.add(version.etag);
          return this.#piece.vault.copyObject(version, ...rest);
        },
      };
      const copy = await copyVersion(
        { datasource: this.#piece.datasource, vault },
        container,
        change.now,
        birth,
        () => this.#piece.hasTime(),
        time,
      );
      if (copy.isRefused === true) await this.#blame.check(copy.warning?.message ?? "");
      // Nothing failed before, or every attempt was at the version that the entry has now.
      const isAllNamed = before === undefined || (tried.size === 1 && tried.has(copy.entry?.etag ?? ""));
      if (isAllNamed && copy.unfinished !== true) unsure.delete(change);
      return copy;
    };
    const take = (change: WrittenChange, copy: Taken): void => {
      if (copy.unfinished === true) return;
      copies.set(change, copy);
      copiedBytes += copy.copiedBytes;
    };
    const { gaveUp } = await this.#piece.pool.mapWhile(
      written,
      shouldContinue,
      async (change) => take(change, await copyOne(change)),
      async (change, error) =>
        take(
          change,
          await this.#blame.tryOnceMore(
            error,
            () => copyOne(change),
            () => this.#piece.hasTime(),
          ),
        ),
    );
    if (unsure.size > 0) await this.#piece.noteRepeat();
    return { copies, ...present({ gaveUp }) };
  }

  #keep(change: Change): Entry | EntryLine | undefined {
    if (change.kind === "written") return undefined;
    this.#piece.count({ unchanged: 1 });
    return change.kind === "unchanged" ? change.before : relabel(change.before, change.now);
  }

  #settle(change: Change, { entry, copiedBytes, changedDuringCopy, warning }: Taken): Entry | undefined {
    this.#piece.count({
      copied: entry === undefined || entry.type === "directory" ? 0 : 1,
      copiedBytes,
      changedDuringCopy: changedDuringCopy ? 1 : 0,
      warned: warning === undefined ? 0 : 1,
    });
    if (warning !== undefined && this.#warnings.length < MAX_WARNINGS) {
      this.#warnings.push({ container: this.#piece.message.container, name: nameOf(change), ...warning });
    }
    return entry;
  }
}

function nameOf(change: Change): string {
  return change.kind === "unchanged" ? headOf(change.before).name : change.now.name;
}
