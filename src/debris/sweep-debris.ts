import type { Clock } from "../foundation/clock.ts";
import { deadline } from "../foundation/deadline.ts";
import type { RecordTable } from "../foundation/records.ts";
import { isOpen, type Job } from "../jobs/job.ts";
import { EntryLookup } from "../vault/entry-lookup.ts";
import { listSeals } from "../vault/list-seals.ts";
import {
  manifestPrefix,
  markersPrefix,
  objectPath,
  objectPrefixes,
  parseObjectPath,
  sealPath,
  vaultMarkerPath,
} from "../vault/names.ts";
import { readIndex, readSeal, readSegment } from "../vault/read-manifest.ts";
import type { Seal } from "../vault/seal.ts";
import { MAX_REMOVALS, type Removal, type SweepableVault } from "../vault/vault-files.ts";
import { type Attempt, attemptRow, listAttempts } from "./attempts.ts";
import type { SweepInput, SweepPosition } from "./sweep-activity.ts";

export interface SweepDeps {
  readonly jobs: RecordTable<Job>;
  readonly attempts: RecordTable<Attempt>;
  readonly vault: (instanceId: string) => SweepableVault;
  readonly clock: Clock;
  readonly settings: { readonly budgetMs: number };
}

/** Whether a file is debris; `no time`: there is no time to decide about it and later files of the same prefix. */
type Verdict = boolean | "no time";

/**
 * Deletes what attempts left in the vault and no recovery point has: objects that were replaced or deleted at the
 * source after their copy and before the seal, segments that no index names, and manifests and markers of failed jobs.
 *
 * Only objects whose birth is the number of a sealed point are checked: that point has all objects of that birth that
 * will ever be needed, because later points take them from its manifest. While no point, or more than one, has the
 * number, everything is kept.
 *
 * Safe to run twice, and beside later backups, whose births differ: files that are gone are skipped, files rewritten
 * since the listing are kept, and the row of an attempt is deleted last.
 *
 * @returns where to continue when the time is over; null when nothing is left
 */
export async function sweepDebrisActivity(deps: SweepDeps, input: SweepInput): Promise<SweepPosition | null> {
  const job = (await deps.jobs.get(input.vault, input.job))?.value;
  if (job === undefined) return null;
  const left = await listAttempts(deps.attempts, job.instance);
  if (left.length === 0) return null;

  const vault = deps.vault(job.instance);
  const hasTime = deadline(deps.clock, deps.settings.budgetMs);
  const sealed = Map.groupBy(await listSeals(vault), ({ sequence }) => sequence);
  for (const [sequence, attempts] of Map.groupBy(left, (attempt) => attempt.sequence)) {
    const [point, ...others] = sealed.get(sequence) ?? [];
    if (point === undefined || others.length > 0 || (await isAnyOpen(deps.jobs, input.vault, attempts))) continue;
    if (input.from !== undefined && sequence < input.from.sequence) continue;
    const from = input.from?.sequence === sequence ? input.from.path : undefined;
    const sweep = new Sweep(vault, await readSeal(vault, point.id), hasTime);
    const stopped = await sweep.run(attempts, from);
    if (stopped !== undefined) return { sequence, path: stopped };
    for (const attempt of attempts) await deps.attempts.remove(job.instance, attemptRow(attempt));
  }
  return null;
}

async function isAnyOpen(jobs: RecordTable<Job>, vault: string, attempts: readonly Attempt[]): Promise<boolean> {
  for (const { job } of attempts) {
    const row = await jobs.get(vault, job);
    if (row !== undefined && isOpen(row.value)) return true;
  }
  return false;
}

/** Deletes the files with the number of one sealed point that the point does not have. */
class Sweep {
  readonly #vault: SweepableVault;
  readonly #seal: Seal;
  readonly #hasTime: () => boolean;
  #checked = 0;

  constructor(vault: SweepableVault, seal: Seal, hasTime: () => boolean) {
    this.#vault = vault;
    this.#seal = seal;
    this.#hasTime = hasTime;
  }

  /** @returns the path or prefix to continue at, when the time is over */
  async run(attempts: readonly Attempt[], from: string | undefined): Promise<string | undefined> {
    const containers = [...new Set(attempts.flatMap((attempt) => attempt.containers))].sort();
    const steps = [
      ...containers.map((container) => ({
        prefix: objectPrefixes(container).plain,
        isDebris: this.#objectsNotIn(container),
      })),
      ...containers.map((container) => ({
        prefix: objectPrefixes(container).hashed,
        isDebris: this.#hashedObjectsNotIn(container),
      })),
      ...attempts.map(({ recoveryPoint }) => ({
        prefix: manifestPrefix(recoveryPoint),
        isDebris: this.#filesNotNamed(recoveryPoint),
      })),
      ...attempts.map(({ job }) => ({ prefix: markersPrefix(job), isDebris: this.#markersNotOf(job) })),
    ];
    const first =
      from === undefined
        ? 0
        : Math.max(
            0,
            steps.findIndex(({ prefix }) => from.startsWith(prefix)),
          );
    for (const [i, { prefix, isDebris }] of steps.slice(first).entries()) {
      if (i > 0 && !this.#hasTime()) return prefix;
      const stopped = await this.#sweep(prefix, i === 0 ? from : undefined, isDebris);
      if (stopped !== undefined) return stopped;
    }
    return undefined;
  }

  async #sweep(
    prefix: string,
    from: string | undefined,
    isDebris: (path: string) => Promise<Verdict>,
  ): Promise<string | undefined> {
    const debris: Removal[] = [];
    const removeAll = (): Promise<unknown> => this.#vault.remove(debris.splice(0));
    for await (const { path, etag } of this.#vault.list(prefix, from)) {
      // Each execution makes progress: a decision about one file may take as long as reading a segment.
      if (this.#checked > 0 && !this.#hasTime()) {
        await removeAll();
        return path;
      }
      this.#checked += 1;
      const verdict = await isDebris(path);
      if (verdict === "no time") break;
      if (verdict) debris.push({ path, etag });
      if (debris.length === MAX_REMOVALS) await removeAll();
    }
    await removeAll();
    return undefined;
  }

  #objectsNotIn(container: string): (path: string) => Promise<boolean> {
    let lookup: Promise<EntryLookup | undefined> | undefined;
    return async (path) => {
      const object = parseObjectPath(container, path);
      if (object?.birth !== this.#seal.sequence) return false;
      lookup ??= this.#lookup(container);
      const entry = await (await lookup)?.find(object.name);
      return entry === undefined || entry.etag !== object.etag || entry.birth !== object.birth;
    };
  }

  /**
   * A hashed path does not contain the name, so all such paths of the manifest are computed. If that takes longer than
   * one execution, such objects are left to the scrub.
   */
  #hashedObjectsNotIn(container: string): (path: string) => Promise<Verdict> {
    const suffix = `.${this.#seal.sequence}`;
    let wanted: Promise<ReadonlySet<string> | undefined> | undefined;
    return async (path) => {
      if (!path.endsWith(suffix)) return false;
      wanted ??= this.#hashedPaths(container);
      const paths = await wanted;
      return paths === undefined ? "no time" : !paths.has(path);
    };
  }

  async #lookup(container: string): Promise<EntryLookup | undefined> {
    const index = await readIndex(this.#vault, this.#seal, container);
    return index && new EntryLookup(this.#vault, index.segments, index.order);
  }

  /** @returns undefined when the time is over before all segments are read */
  async #hashedPaths(container: string): Promise<ReadonlySet<string> | undefined> {
    const paths = new Set<string>();
    const { hashed } = objectPrefixes(container);
    const index = await readIndex(this.#vault, this.#seal, container);
    for (const [i, segment] of (index?.segments ?? []).entries()) {
      if (i > 0 && !this.#hasTime()) return undefined;
      for (const { name, etag, birth } of await readSegment(this.#vault, segment)) {
        const path = objectPath(container, name, etag, birth);
        if (path.startsWith(hashed)) paths.add(path);
      }
    }
    return paths;
  }

  /**
   * Keeps those files of the sealed point's own manifest that its indexes name; of a failed attempt's manifest, none.
   */
  #filesNotNamed(recoveryPoint: string): (path: string) => Promise<boolean> {
    if (recoveryPoint !== this.#seal.recoveryPoint) {
      // It has no seal, as no two points have the number. That is checked again before anything is deleted.
      let hasSeal: Promise<boolean> | undefined;
      return async () => {
        hasSeal ??= this.#vault.read(sealPath(recoveryPoint)).then((content) => content !== undefined);
        return !(await hasSeal);
      };
    }
    let named: Promise<ReadonlySet<string>> | undefined;
    return async (path) => {
      named ??= this.#namedFiles();
      return !(await named).has(path);
    };
  }

  /**
   * Of the sealed point's own job, the marker of a container that was skipped after its marker was replicated is
   * debris.
   */
  #markersNotOf(job: string): (path: string) => Promise<boolean> {
    const sealed = new Set(
      job === this.#seal.job ? this.#seal.containers.map(({ name }) => vaultMarkerPath(job, name)) : [],
    );
    return async (path) => !sealed.has(path);
  }

  async #namedFiles(): Promise<ReadonlySet<string>> {
    const named = new Set<string>();
    for (const { name, index } of this.#seal.containers) {
      named.add(index.path);
      for (const { path } of (await readIndex(this.#vault, this.#seal, name))?.segments ?? []) named.add(path);
    }
    return named;
  }
}
