import type { DurableStore } from "../store.ts";

/** Where a process dies: at which store call, and before or after its effect. */
export interface CrashPoint {
  readonly call: number;
  readonly when: "before" | "after";
}

/**
 * Dies at one call: that call and all later ones are never answered, as for a process that is gone. What was stored
 * until then stays in the store beneath.
 */
export class CrashingStore {
  readonly store: DurableStore;
  /** Names of the calls in their order. */
  readonly calls: string[] = [];
  /** Settles when the process has died. */
  readonly died: Promise<void>;

  constructor(beneath: DurableStore, point?: CrashPoint) {
    let die = (): void => {};
    let isDead = false;
    this.died = new Promise((resolve) => {
      die = () => {
        isDead = true;
        resolve();
      };
    });
    const never = new Promise<never>(() => {});
    this.store = new Proxy(beneath, {
      get: (target, property, receiver) => {
        const member: unknown = Reflect.get(target, property, receiver);
        if (typeof member !== "function") return member;
        return async (...args: unknown[]) => {
          if (isDead) return never;
          this.calls.push(String(property));
          const isHere = point?.call === this.calls.length;
          if (isHere && point.when === "before") {
            die();
            return never;
          }
          const result: unknown = await Reflect.apply(member, target, args);
          if (isHere) die();
          return isDead ? never : result;
        };
      },
    });
  }
}
