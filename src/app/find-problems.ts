import type { HealthProblem } from "../api/health-problem.ts";
import type { Clock } from "../foundation/clock.ts";
import { toFailure } from "../foundation/errors.ts";

/** Timeout of each health check. */
const TIMEOUT_MS = 10_000;

/** Health is public, so the result of one check is cached for this time. */
const KEPT_MS = 5_000;

/** One health check; rejects when the service does not work. */
export interface HealthCheck {
  readonly part: string;
  readonly check: () => Promise<unknown>;
}

/**
 * Creates the health check of all services.
 *
 * @param known - permanent problems of this process
 */
export function problemFinder(
  known: readonly HealthProblem[],
  checks: readonly HealthCheck[],
  clock: Clock,
  timeoutMs = TIMEOUT_MS,
): () => Promise<readonly HealthProblem[]> {
  let last: { readonly at: number; readonly problems: Promise<readonly HealthProblem[]> } | undefined;
  return () => {
    const now = clock().getTime();
    if (last === undefined || now - last.at >= KEPT_MS)
      last = { at: now, problems: checkAll(known, checks, timeoutMs) };
    return last.problems;
  };
}

async function checkAll(
  known: readonly HealthProblem[],
  checks: readonly HealthCheck[],
  timeoutMs: number,
): Promise<readonly HealthProblem[]> {
  const found = await Promise.all(checks.map((one) => problemOf(one, timeoutMs)));
  return [...known, ...found.flat()];
}

async function problemOf({ part, check }: HealthCheck, timeoutMs: number): Promise<readonly HealthProblem[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<HealthProblem[]>((resolve) => {
    timer = setTimeout(() => resolve([{ part, reason: `no answer in ${timeoutMs} ms` }]), timeoutMs);
  });
  const checked = check().then(
    () => [],
    // The message may contain account names, which must not be public.
    (error: unknown) => [{ part, reason: toFailure(error).code }],
  );
  try {
    return await Promise.race([checked, late]);
  } finally {
    clearTimeout(timer);
  }
}
