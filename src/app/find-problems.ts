import type { HealthProblem } from "../api/health-problem.ts";
import type { Clock } from "../foundation/clock.ts";
import { toFailure } from "../foundation/errors.ts";

/** How long a part of the estate may take to answer. */
const TIMEOUT_MS = 10_000;

/** Everybody may ask, so one look answers all who ask within this time. */
const KEPT_MS = 5_000;

/** One look at a part of the estate; rejects when it does not work. */
export interface Look {
  readonly part: string;
  readonly look: () => Promise<unknown>;
}

/**
 * Makes the look at the whole estate that health is told from.
 *
 * @param known - what is wrong as long as the process lives
 */
export function problemFinder(
  known: readonly HealthProblem[],
  looks: readonly Look[],
  clock: Clock,
  timeoutMs = TIMEOUT_MS,
): () => Promise<readonly HealthProblem[]> {
  let last: { readonly at: number; readonly problems: Promise<readonly HealthProblem[]> } | undefined;
  return () => {
    const now = clock().getTime();
    if (last === undefined || now - last.at >= KEPT_MS)
      last = { at: now, problems: lookAtAll(known, looks, timeoutMs) };
    return last.problems;
  };
}

async function lookAtAll(
  known: readonly HealthProblem[],
  looks: readonly Look[],
  timeoutMs: number,
): Promise<readonly HealthProblem[]> {
  const found = await Promise.all(looks.map((one) => problemOf(one, timeoutMs)));
  return [...known, ...found.flat()];
}

async function problemOf({ part, look }: Look, timeoutMs: number): Promise<readonly HealthProblem[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<HealthProblem[]>((resolve) => {
    timer = setTimeout(() => resolve([{ part, reason: `no answer in ${timeoutMs} ms` }]), timeoutMs);
  });
  const seen = look().then(
    () => [],
    // The message may name accounts, which are nobody's business who may only ask for health.
    (error: unknown) => [{ part, reason: toFailure(error).code }],
  );
  try {
    return await Promise.race([seen, late]);
  } finally {
    clearTimeout(timer);
  }
}
