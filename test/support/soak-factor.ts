/**
 * How many times more cases the models and properties try than in `npm test`: `npm run soak:models` sets `SOAK_FACTOR`.
 */
export const SOAK_FACTOR = Number(process.env["SOAK_FACTOR"] ?? 1);

/** Every so many of the moments at which something may happen are tried in `npm test`; all of them in a soak. */
export function strideOf(short: number): number {
  return SOAK_FACTOR > 1 ? 1 : short;
}
