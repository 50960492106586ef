/**
 * @module
 * Runs several requests concurrently, one call to tables and files at a time, in an order that a test chooses.
 */

/** How many calls each request makes per turn; after all turns, each runs to its end. */
export type Turns = readonly { readonly request: number; readonly calls: number }[];

type Wrap = <Ports extends object>(ports: Ports) => Ports;

/**
 * Runs requests in the order of some turns. A request that ends early skips its turn.
 *
 * @param requests - each gets a function that makes its ports wait for their turn; it must use only such ports
 * @returns the result of each, and its number of calls
 */
export async function interleave<T>(
  requests: readonly ((wrap: Wrap) => Promise<T>)[],
  turns: Turns,
): Promise<{ readonly results: readonly T[]; readonly calls: readonly number[] }> {
  const waiting = new Map<number, () => void>();
  const ended = new Set<number>();
  const calls = requests.map(() => 0);
  const gateOf =
    (request: number): Wrap =>
    (ports) =>
      waitingPorts(ports, () => new Promise<void>((go) => waiting.set(request, go)));
  const running = requests.map((run, request) => run(gateOf(request)).finally(() => ended.add(request)));
  for (const one of running) one.catch(() => undefined);

  const rest: Turns = requests.map((_, request) => ({ request, calls: Number.POSITIVE_INFINITY }));
  for (const { request, calls: most } of [...turns, ...rest]) {
    for (let made = 0; made < most; made++) {
      while (!waiting.has(request) && !ended.has(request)) await new Promise(setImmediate);
      const go = waiting.get(request);
      if (go === undefined) break;
      waiting.delete(request);
      calls[request] = (calls[request] ?? 0) + 1;
      go();
      // A call completes before another is made.
      while (!waiting.has(request) && !ended.has(request)) await new Promise(setImmediate);
    }
  }
  return { results: await Promise.all(running), calls };
}

/** Wraps ports, and ports within them, so that every call waits. */
function waitingPorts<Ports extends object>(ports: Ports, turn: () => Promise<void>): Ports {
  return new Proxy(ports, {
    get: (target, property) => {
      const member: unknown = Reflect.get(target, property, target);
      if (typeof member === "object" && member !== null) return waitingPorts(member, turn);
      if (typeof member !== "function") return member;
      return async (...args: unknown[]): Promise<unknown> => {
        await turn();
        return await member.apply(target, args);
      };
    },
  });
}

/** All orders of two requests with at most three switches between them. */
export function* ordersOfTwo(calls: readonly [number, number]): Generator<Turns> {
  for (const first of [0, 1] as const) {
    const second = first === 0 ? 1 : 0;
    const [ofFirst, ofSecond] = [calls[first], calls[second]];
    for (let before = 0; before <= ofFirst; before++) {
      for (let between = 1; between <= ofSecond; between++) {
        for (let after = between === ofSecond ? ofFirst : 1; after <= ofFirst - before; after++) {
          yield [
            { request: first, calls: before },
            { request: second, calls: between },
            { request: first, calls: after },
          ];
        }
        if (between === ofSecond)
          yield [
            { request: first, calls: before },
            { request: second, calls: between },
          ];
      }
    }
  }
}
