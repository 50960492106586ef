import {
  REBUILD_OUTCOMES,
  REBUILT_KINDS,
  type RebuildFinding,
  type RebuildOutcome,
  type RebuildResult,
  type RebuiltKind,
} from "./rebuild-request.ts";

type Counts = Record<RebuiltKind, Record<RebuildOutcome, number>>;

/** Counts the actions of a rebuild, and collects its findings. */
export class Tally {
  readonly #counts = Object.fromEntries(
    REBUILT_KINDS.map((kind) => [kind, Object.fromEntries(REBUILD_OUTCOMES.map((outcome) => [outcome, 0]))]),
  ) as Counts;
  readonly #findings: RebuildFinding[] = [];

  get findings(): number {
    return this.#findings.length;
  }

  count(kind: RebuiltKind, outcome: RebuildOutcome): void {
    this.#counts[kind][outcome] += 1;
  }

  /** Counts it, and adds a finding. */
  tell(finding: RebuildFinding): void {
    this.count(finding.kind, finding.outcome);
    this.#findings.push(finding);
  }

  get result(): RebuildResult {
    return { counts: this.#counts, findings: this.#findings };
  }
}
