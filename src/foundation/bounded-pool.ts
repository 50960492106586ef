/**
 * Runs one task over many inputs, at most `width` at a time.
 *
 * After the first error no further input is started; running ones are awaited, so that nothing still writes when the
 * caller sees the error.
 *
 * @returns results in input order
 */
export async function mapBounded<In, Out>(
  inputs: readonly In[],
  width: number,
  task: (input: In) => Promise<Out>,
): Promise<Out[]> {
  const results = new Array<Out>(inputs.length);
  let next = 0;
  let failed = false;
  let firstError: unknown;

  const work = async (): Promise<void> => {
    while (next < inputs.length && !failed) {
      const index = next++;
      try {
        results[index] = await task(inputs[index] as In);
      } catch (error) {
        if (!failed) firstError = error;
        failed = true;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, inputs.length) }, work));
  if (failed) throw firstError;
  return results;
}
