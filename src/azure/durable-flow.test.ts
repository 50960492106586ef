import type { OrchestrationContext, Task } from "durable-functions";
import { describe, test } from "vitest";
import { backupOrchestration } from "../backup/backup-orchestration.ts";
import { replicatedEvent } from "../backup/messages.ts";
import { FAILED_EVENT, type Flow } from "../foundation/flow.ts";
import type { JobRef } from "../jobs/job-ref.ts";
import { restoredEvent } from "../restore/messages.ts";
import { restoreOrchestration } from "../restore/restore-orchestration.ts";
import { retentionOrchestration } from "../retention/retention-orchestration.ts";
import { scrubOrchestration } from "../scrub/scrub-orchestration.ts";
import { durableFlow } from "./durable-flow.ts";

/**
 * Patterns that durable-functions 3.5 does not support: a task that is awaited twice, a combination of tasks of an
 * earlier turn, and two open waits for one event, which get each other's events. Some of them hang silently.
 */
interface Audited {
  readonly kind: "activity" | "event" | "all" | "any";
  readonly name: string;
  readonly turn: number;
  readonly parts: readonly Audited[];
}

/** Plays an orchestration to its end, and writes down what it must not do. */
class Audit {
  readonly faults: string[] = [];
  readonly activities: string[] = [];
  /** What an activity answers; absent: nothing. A thrown error is its failure. */
  readonly answers: Record<string, () => unknown>;
  /** Which of the events that are waited for come; absent: all but `failed`. */
  readonly comes: (event: string) => boolean;
  #turn = 0;
  readonly #yielded = new Set<Audited>();
  readonly #open = new Set<string>();

  constructor(answers: Record<string, () => unknown>, comes = (event: string) => event !== FAILED_EVENT) {
    this.answers = answers;
    this.comes = comes;
  }

  get context(): OrchestrationContext {
    const task = (kind: Audited["kind"], name: string, parts: readonly Audited[] = []): Audited => {
      for (const part of parts) {
        if (part.turn !== this.#turn) this.faults.push(`'${part.name}' is combined in a later turn`);
        if (this.#yielded.has(part)) this.faults.push(`'${part.name}' is awaited and combined`);
      }
      return { kind, name, turn: this.#turn, parts };
    };
    const df = {
      currentUtcDateTime: new Date(0),
      callActivityWithRetry: (name: string) => task("activity", name),
      waitForExternalEvent: (name: string) => {
        if (this.#open.has(name)) this.faults.push(`two waits for '${name}' are open`);
        this.#open.add(name);
        return task("event", name);
      },
      Task: {
        all: (parts: Audited[]) => task("all", "all", parts),
        any: (parts: Audited[]) => task("any", "any", parts),
      },
    };
    return { df } as unknown as OrchestrationContext;
  }

  run(orchestration: Generator<unknown, unknown, unknown>): unknown {
    let step = orchestration.next();
    for (let turns = 0; !step.done; turns++) {
      if (turns > 100) throw new Error("the orchestration does not end");
      const task = step.value as Audited;
      if (this.#yielded.has(task)) this.faults.push(`'${task.name}' is awaited twice`);
      this.#yielded.add(task);
      const settled = this.#settle(task);
      this.#turn += 1;
      step = "error" in settled ? orchestration.throw(settled.error) : orchestration.next(settled.value);
    }
    return step.value;
  }

  #settle(task: Audited): { readonly value: unknown } | { readonly error: unknown } {
    if (task.kind === "any") {
      const first = task.parts.find((part) => this.#isSettled(part));
      if (first === undefined) throw new Error("an orchestration waits for what never comes");
      return { value: Object.assign(first, { result: { code: "job/cancelled", message: "cancelled" } }) };
    }
    if (task.kind !== "activity") return { value: undefined };
    this.activities.push(task.name);
    try {
      return { value: { ok: true, value: this.answers[task.name]?.() ?? null } };
    } catch (error) {
      return { error };
    }
  }

  #isSettled(task: Audited): boolean {
    if (task.kind === "event") return this.comes(task.name);
    return task.kind !== "all" || task.parts.every((part) => this.#isSettled(part));
  }
}

const JOB: JobRef = { vault: "vault", job: "one" };
const CONTAINERS = ["$root", "$web", "curated", "raw"];
const ONCE = (answer: unknown, then: unknown): (() => unknown) => {
  let asked = 0;
  return () => (asked++ === 0 ? answer : then);
};
const ANSWERS = (): Record<string, () => unknown> => ({
  beginBackup: () => ({ begun: true, containers: CONTAINERS }),
  beginRestore: () => ({ begun: true, containers: CONTAINERS }),
  planSegments: () => CONTAINERS,
  finishPurges: ONCE({ done: false }, { done: true }),
  purgeExpired: ONCE({ done: false }, { done: true }),
  sweepDebris: ONCE({ sequence: 1, path: "data/a" }, null),
  scrubStep: ONCE({ isDone: false }, { isDone: true }),
  endJob: () => "Completed",
});

const ORCHESTRATIONS = { backupOrchestration, restoreOrchestration, retentionOrchestration, scrubOrchestration };
type Name = keyof typeof ORCHESTRATIONS;

function play(name: Name, audit: Audit): unknown {
  return audit.run(ORCHESTRATIONS[name](durableFlow(audit.context), JOB) as Generator<Task, unknown, unknown>);
}

describe.for(Object.keys(ORCHESTRATIONS) as Name[])("%s", (name) => {
  test("awaits each task once, combines only new ones, and has one wait a name", ({ expect }) => {
    const audit = new Audit(ANSWERS());
    play(name, audit);
    expect(audit.faults).toEqual([]);
    expect(audit.activities).toContain("endJob");
    expect(audit.activities.length).toBeGreaterThan(1);
  });

  test("does so also when it is cancelled", ({ expect }) => {
    const audit = new Audit(ANSWERS(), (event) => event === FAILED_EVENT);
    play(name, audit);
    expect(audit.faults).toEqual([]);
    expect(audit.activities.filter((activity) => activity === "endJob")).toHaveLength(1);
  });

  test("does so also when any one of its activities fails", ({ expect }) => {
    const calm = new Audit(ANSWERS());
    play(name, calm);
    let failed = 0;
    for (const activity of new Set(calm.activities)) {
      if (activity === "endJob") continue;
      const answers = ANSWERS();
      answers[activity] = () => {
        throw new Error(`Activity function '${activity}' failed:  storage/unavailable: away`);
      };
      const audit = new Audit(answers);
      play(name, audit);
      expect(audit.faults, activity).toEqual([]);
      expect(audit.activities, activity).toContain("endJob");
      failed += 1;
    }
    expect(failed).toBeGreaterThan(0);
  });
});

test("every container has events of its own", ({ expect }) => {
  for (const event of [replicatedEvent, restoredEvent]) {
    expect(new Set(CONTAINERS.map(event)).size).toBe(CONTAINERS.length);
    for (const container of CONTAINERS) expect(event(container)).not.toBe(FAILED_EVENT);
  }
});

describe("the audit finds", () => {
  type Df = { df: { [name: string]: (...args: unknown[]) => unknown } & { Task: { all(tasks: unknown[]): unknown } } };
  const faultsOf = (body: (context: Df) => Generator<unknown, unknown, unknown>): string[] => {
    const audit = new Audit({}, () => true);
    audit.run(body(audit.context as unknown as Df));
    return audit.faults;
  };

  test("a task that is awaited twice", ({ expect }) => {
    const faults = faultsOf(function* ({ df }) {
      const task = df["callActivityWithRetry"]?.("a");
      yield task;
      return yield task;
    });
    expect(faults).toEqual(["'a' is awaited twice"]);
  });

  test("a combination of a task of an earlier turn", ({ expect }) => {
    const faults = faultsOf(function* ({ df }) {
      const early = df["waitForExternalEvent"]?.("early");
      yield df["callActivityWithRetry"]?.("a");
      return yield df.Task.all([early]);
    });
    expect(faults).toEqual(["'early' is combined in a later turn"]);
  });

  test("two open waits for one event", ({ expect }) => {
    const faults = faultsOf(function* ({ df }) {
      return yield df.Task.all([df["waitForExternalEvent"]?.("same"), df["waitForExternalEvent"]?.("same")]);
    });
    expect(faults).toEqual(["two waits for 'same' are open"]);
  });

  test("that an orchestration waits twice for what one flow waits for", ({ expect }) => {
    const audit = new Audit({});
    const twice = function* (flow: Flow) {
      yield* flow.waitForAll(["a"]);
      yield* flow.waitForAll(["b"]);
    };
    audit.run(twice(durableFlow(audit.context)) as Generator<unknown, unknown, unknown>);
    // The wait for `failed` of the first stays open.
    expect(audit.faults).toEqual(["two waits for 'failed' are open"]);
  });
});
