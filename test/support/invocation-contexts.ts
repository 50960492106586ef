import type { InvocationContext } from "@azure/functions";

export class FakeContext {
  readonly logged: unknown[][] = [];
  readonly triggerMetadata: Record<string, unknown>;

  constructor(dequeueCount = 1) {
    this.triggerMetadata = { dequeueCount: String(dequeueCount) };
  }

  error(...told: unknown[]): void {
    this.logged.push(told);
  }
}

export function contexts(dequeueCount?: number): { readonly fake: FakeContext; readonly context: InvocationContext } {
  const fake = new FakeContext(dequeueCount);
  return { fake, context: fake as unknown as InvocationContext };
}
