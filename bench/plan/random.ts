/** Pseudo-random numbers that are the same in every run. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /**
   * At least 0, less than 1.
   *
   * @see https://github.com/bryc/code/blob/master/jshash/PRNGs.md mulberry32, in the public domain
   */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}

/** A log-normal distribution, given by two of its values, for latencies and sizes. */
export class LogNormal {
  readonly median: number;
  readonly mean: number;
  readonly #sigma: number;

  private constructor(median: number, sigma: number) {
    this.median = median;
    this.mean = median * Math.exp(sigma ** 2 / 2);
    this.#sigma = sigma;
  }

  static ofMedianAndP99(median: number, p99: number): LogNormal {
    return new LogNormal(median, Math.log(p99 / median) / P99);
  }

  static ofMedianAndMean(median: number, mean: number): LogNormal {
    return new LogNormal(median, Math.sqrt(2 * Math.log(mean / median)));
  }

  /** The value that a share of all values are below. */
  quantile(share: number): number {
    return this.#sigma === 0 ? this.median : this.median * Math.exp(this.#sigma * normalQuantile(share));
  }

  sample(random: Random): number {
    return this.quantile(random.next());
  }

  /** The largest of many values. */
  sampleLargest(random: Random, count: number): number {
    return this.quantile(random.next() ** (1 / count));
  }
}

/** 99 % of normal values are below this many standard deviations. */
const P99 = 2.3263478740408408;

/**
 * The inverse of the normal distribution function; relative error under 1.2e-9.
 *
 * @see P. J. Acklam, "An algorithm for computing the inverse normal cumulative distribution function", 2003
 */
export function normalQuantile(share: number): number {
  const p = Math.min(1 - 1e-15, Math.max(1e-15, share));
  if (p < LOW) return tail(Math.sqrt(-2 * Math.log(p)));
  if (p > 1 - LOW) return -tail(Math.sqrt(-2 * Math.log(1 - p)));
  const q = p - 0.5;
  const r = q * q;
  return (q * polynomial(A, r)) / (polynomial(B, r) * r + 1);
}

const LOW = 0.02425;
const A = [
  -3.969683028665376e1, 2.209460984245205e2, -2.759285104469687e2, 1.38357751867269e2, -3.066479806614716e1,
  2.506628277459239,
];
const B = [-5.447609879822406e1, 1.615858368580409e2, -1.556989798598866e2, 6.680131188771972e1, -1.328068155288572e1];
const C = [
  -7.784894002430293e-3, -3.223964580411365e-1, -2.400758277161838, -2.549732539343734, 4.374664141464968,
  2.938163982698783,
];
const D = [7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416];

function tail(q: number): number {
  return polynomial(C, q) / (polynomial(D, q) * q + 1);
}

function polynomial(coefficients: readonly number[], x: number): number {
  let sum = 0;
  for (const coefficient of coefficients) sum = sum * x + coefficient;
  return sum;
}
