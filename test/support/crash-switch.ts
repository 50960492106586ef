/** Error that simulates a crash of the process; no code in the project handles it. */
export class Crash extends Error {
  constructor(where: string) {
    super(`crashed ${where}`);
    this.name = "Crash";
  }
}

/**
 * Simulates a crash of a process at a chosen call: every call of a wrapped port has two moments, before and after its
 * effect.
 */
export class CrashSwitch {
  #moment = 0;
  #dieAt: number | undefined;
  /** Where it crashed, such as `after create`. */
  where: string | undefined;

  /** Crashes once, at the given moment from now, counted from 0. */
  arm(moment: number): void {
    this.#moment = 0;
    this.#dieAt = moment;
    this.where = undefined;
  }

  disarm(): void {
    this.#dieAt = undefined;
  }

  wrap<T extends object>(port: T): T {
    return new Proxy(port, {
      get: (target, property) => {
        const member: unknown = Reflect.get(target, property, target);
        if (typeof member !== "function") return member;
        const name = String(property);
        return (...args: unknown[]): unknown => {
          this.#pass(`before ${name}`);
          const result: unknown = member.apply(target, args);
          return result instanceof Promise ? this.#after(result, name) : result;
        };
      },
    });
  }

  async #after(result: Promise<unknown>, name: string): Promise<unknown> {
    const value = await result;
    this.#pass(`after ${name}`);
    return value;
  }

  #pass(where: string): void {
    if (this.#moment++ !== this.#dieAt) return;
    this.#dieAt = undefined;
    this.where = where;
    throw new Crash(where);
  }
}
