import type { OrchestrationContext, Task } from "durable-functions";
import fc from "fast-check";
import { test } from "vitest";
import { EventType, type HistoryEvent, type ScheduledEvent } from "./history.ts";
import { ReplayDriver } from "./testing/replay-driver.ts";
import { RetryOptions } from "./testing/scripted-app.ts";

/**
 * One thing that an orchestrator waits for. `label` is what tells one leaf from another: the number of an activity or
 * child, the name of an event, the milliseconds of a timer.
 */
type Leaf =
  | { readonly kind: "activity" | "child"; readonly label: number; readonly fails: boolean }
  | { readonly kind: "timer" | "longTimer" | "event"; readonly label: number }
  | {
      readonly kind: "retry" | "childRetry";
      readonly label: number;
      readonly failures: number;
      readonly attempts: number;
    };
type Tree = Leaf | { readonly kind: "all" | "any"; readonly children: readonly Tree[] };

const DAY_MS = 86_400_000;

/** Leaves that take their only id when they start, so that nobody minds when their end comes after they lost. */
const plainLeaf = (canFail: boolean): fc.Arbitrary<Tree> =>
  fc.oneof(
    fc
      .record({ kind: fc.constantFrom("activity", "child"), label: fc.constant(0), fails: fc.boolean() })
      .map((leaf) => ({
        ...leaf,
        fails: leaf.fails && canFail,
      })),
    fc.record({ kind: fc.constantFrom("timer", "event"), label: fc.constant(0) }),
  );

const retryLeaf = (canFail: boolean): fc.Arbitrary<Tree> =>
  fc
    .record({
      kind: fc.constantFrom("retry", "childRetry"),
      label: fc.constant(0),
      failures: fc.nat(3),
      attempts: fc.integer({ min: 1, max: 3 }),
    })
    .map((leaf) => ({ ...leaf, attempts: canFail ? leaf.attempts : leaf.failures + 1 }));

const longTimer: fc.Arbitrary<Tree> = fc.constant({ kind: "longTimer", label: 0 } as const);

const compound = (kind: "all" | "any", child: fc.Arbitrary<Tree>): fc.Arbitrary<Tree> =>
  fc.record({ kind: fc.constant(kind), children: fc.array(child, { minLength: 1, maxLength: 4 }) });

/** Any nesting of plain leaves. */
const plainTree = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof({ maxDepth: 3 }, plainLeaf(true), compound("all", tie("tree")), compound("any", tie("tree"))),
})).tree;

/** Leaves that take further ids later may stand beside others only where everything is waited for. */
const waitedTree = compound("all", fc.oneof(plainLeaf(false), retryLeaf(false), longTimer));

const program: fc.Arbitrary<Tree[]> = fc
  .array(fc.oneof(plainTree, waitedTree, retryLeaf(true), longTimer), { minLength: 1, maxLength: 6 })
  .map((steps) => {
    let label = 0;
    const labelled = (tree: Tree): Tree => {
      if ("children" in tree) return { ...tree, children: tree.children.map(labelled) };
      label += 1;
      return { ...tree, label };
    };
    return steps.map(labelled);
  });

interface Built {
  readonly tree: Tree;
  readonly task: Task;
  readonly children: readonly Built[];
}

function* orchestrate({ df }: OrchestrationContext, steps: readonly Tree[]): Generator<Task, unknown, unknown> {
  const policy = (attempts: number) => {
    const options = new RetryOptions(5_000, attempts);
    options.backoffCoefficient = 2;
    return options;
  };
  const build = (tree: Tree): Built => {
    if ("children" in tree) {
      const children = tree.children.map(build);
      return { tree, children, task: df.Task[tree.kind](children.map(({ task }) => task)) };
    }
    return { tree, children: [], task: leafTask(tree) };
  };
  const leafTask = (leaf: Leaf): Task => {
    const at = (ms: number): Date => new Date(df.currentUtcDateTime.getTime() + ms);
    switch (leaf.kind) {
      case "activity":
        return df.callActivity("work", leaf.label);
      case "child":
        return df.callSubOrchestrator("child", leaf.label, leaf.label % 2 === 0 ? `child-${leaf.label}` : undefined);
      case "timer":
        return df.createTimer(at(60_000 + leaf.label));
      case "longTimer":
        return df.createTimer(at((6 + leaf.label) * DAY_MS + leaf.label));
      case "event":
        return df.waitForExternalEvent(`event${leaf.label}`);
      case "retry":
        return df.callActivityWithRetry("work", policy(leaf.attempts), leaf.label);
      case "childRetry":
        return df.callSubOrchestratorWithRetry("child", policy(leaf.attempts), leaf.label, `child-${leaf.label}`);
    }
  };
  const values: unknown[] = [];
  for (const step of steps) {
    const built = build(step);
    try {
      yield built.task;
    } catch {
      // The value says so.
    }
    values.push(resultOf(built));
    cancelTimers(built);
  }
  return values;
}

function resultOf({ tree, task, children }: Built): unknown {
  if (task.isFaulted) return "failed";
  if (tree.kind === "all") return children.map(resultOf);
  if (tree.kind === "any") {
    const winner = children.findIndex((child) => child.task === task.result);
    const child = children[winner];
    return [winner, child && resultOf(child)];
  }
  return tree.kind === "timer" || tree.kind === "longTimer" ? "fired" : task.result;
}

function cancelTimers({ tree, task, children }: Built): void {
  if (tree.kind === "timer" && "cancel" in task && !task.isCompleted) (task as Task & { cancel(): void }).cancel();
  for (const child of children) cancelTimers(child);
}

interface End {
  /** Position in the order of all ends. */
  readonly at: number;
  readonly value: unknown;
}

/** Tells when and how a tree ends that begins at a position, when its leaves end at known positions. */
function endOf(tree: Tree, begin: number, leafEnds: ReadonlyMap<number, number>): End {
  if (!("children" in tree)) {
    return { at: Math.max(begin, leafEnds.get(tree.label) ?? Number.POSITIVE_INFINITY), value: leafValue(tree) };
  }
  const ends = tree.children.map((child) => endOf(child, begin, leafEnds));
  const earliest = (some: readonly End[]): End => some.reduce((best, end) => (end.at < best.at ? end : best));
  if (tree.kind === "any") {
    const winner = earliest(ends);
    return { at: winner.at, value: [ends.indexOf(winner), winner.value] };
  }
  const failures = ends.filter(({ value }) => value === "failed");
  if (failures.length > 0) return { at: earliest(failures).at, value: "failed" };
  return { at: Math.max(...ends.map(({ at }) => at)), value: ends.map(({ value }) => value) };
}

function leafValue(leaf: Leaf): string {
  switch (leaf.kind) {
    case "activity":
    case "child":
      return leaf.fails ? "failed" : `done ${leaf.label}`;
    case "retry":
    case "childRetry":
      return leaf.failures >= leaf.attempts ? "failed" : `done ${leaf.label}`;
    case "timer":
    case "longTimer":
      return "fired";
    case "event":
      return `payload ${leaf.label}`;
  }
}

test("ends every orchestrator with the value of its plain model, and starts everything exactly once", async ({
  expect,
}) => {
  let episodes = 0;
  await fc.assert(
    fc.asyncProperty(program, fc.array(fc.nat(), { minLength: 40, maxLength: 40 }), async (steps, choices) => {
      const leaves = steps.flatMap(leavesOf);
      const driver = new ReplayDriver((context) => orchestrate(context, steps));
      const choose = choicesFrom(choices);
      const unraised = leaves.filter(({ kind }) => kind === "event").map(({ label }) => label);
      const attempts = new Map<number, number>();
      const leafEnds = new Map<number, number>();
      let position = 0;
      /** The retried leaf whose last attempt failed: it ends with the next timer that is nobody's own. */
      let exhausted: number | undefined;

      const end = (scheduled: ScheduledEvent): HistoryEvent => {
        const leaf = leafOf(scheduled, leaves);
        position += 1;
        if (leaf === undefined) {
          if (exhausted !== undefined) leafEnds.set(exhausted, position);
          exhausted = undefined;
          return driver.completed(scheduled, undefined);
        }
        if (!("fails" in leaf || "failures" in leaf)) {
          leafEnds.set(leaf.label, position);
          return driver.completed(scheduled, undefined);
        }
        const attempt = (attempts.get(leaf.label) ?? 0) + 1;
        attempts.set(leaf.label, attempt);
        const fails = "failures" in leaf ? attempt <= leaf.failures : leaf.fails;
        leafEnds.set(leaf.label, position);
        if ("attempts" in leaf && attempt === leaf.attempts && fails) exhausted = leaf.label;
        return fails ? driver.failed(scheduled, "no") : driver.completed(scheduled, `done ${leaf.label}`);
      };
      const raise = (label: number): HistoryEvent => {
        position += 1;
        leafEnds.set(label, position);
        return driver.raised(`event${label}`, `payload ${label}`);
      };

      let incoming: HistoryEvent[] = [];
      for (;;) {
        await driver.episode(incoming);
        episodes += 1;
        if (driver.outcome.kind !== "running") break;
        const pending = dueFirst(driver.pending);
        if (pending.length === 0 && unraised.length === 0) throw new Error("the orchestrator hangs");
        incoming = [];
        for (let count = 1 + choose(3); count > 0 && pending.length + unraised.length > 0; count -= 1) {
          const index = choose(pending.length + unraised.length);
          const [scheduled] = pending.splice(index, 1);
          if (scheduled !== undefined) incoming.push(end(scheduled));
          else incoming.push(...unraised.splice(index - pending.length, 1).map(raise));
        }
      }

      let at = 0;
      const values = steps.map((step) => {
        const ended = endOf(step, at, leafEnds);
        at = ended.at;
        return ended.value;
      });
      expect(driver.outcome).toEqual({ kind: "completed", output: JSON.stringify(values) });
      const ids = driver.commands.map(({ id }) => id);
      expect(ids).toEqual(ids.map((_, index) => index));
      for (const leaf of leaves) {
        const starts = driver.commands.filter((command) => isStartOf(command.kind, labelIn(command), leaf)).length;
        expect(starts, JSON.stringify(leaf)).toBe(expectedStarts(leaf));
      }
    }),
    { numRuns: 150 },
  );
  expect(episodes).toBeGreaterThan(500);
}, 60_000);

/** Leaves out all timers but the earliest: time does not jump over a timer. */
function dueFirst(pending: readonly ScheduledEvent[]): ScheduledEvent[] {
  const timers = pending.filter((scheduled) => scheduled.EventType === EventType.TimerCreated);
  const [earliest] = timers.sort((a, b) => (a.FireAt < b.FireAt ? -1 : 1));
  return pending.filter((scheduled) => scheduled.EventType !== EventType.TimerCreated || scheduled === earliest);
}

function leavesOf(tree: Tree): Leaf[] {
  return "children" in tree ? tree.children.flatMap(leavesOf) : [tree];
}

function choicesFrom(choices: readonly number[]): (below: number) => number {
  let next = 0;
  return (below) => {
    const choice = choices[next % choices.length] ?? 0;
    next += 1;
    return choice % below;
  };
}

/** Finds the leaf that scheduled work belongs to; undefined for the timers between attempts. */
function leafOf(scheduled: ScheduledEvent, leaves: readonly Leaf[]): Leaf | undefined {
  if (scheduled.EventType === EventType.TimerCreated) {
    const label = Date.parse(scheduled.FireAt) % 1_000;
    return leaves.find((leaf) => leaf.label === label && (leaf.kind === "timer" || leaf.kind === "longTimer"));
  }
  const input: unknown = JSON.parse(scheduled.Input);
  const label = Array.isArray(input) ? input[0] : input;
  return leaves.find((leaf) => leaf.label === label);
}

function labelIn(command: ReplayDriver["commands"][number]): number {
  if (command.kind === "timer") return Date.parse(command.fireAt) % 1_000;
  const input: unknown = JSON.parse(command.input);
  return Number(Array.isArray(input) ? input[0] : input);
}

function isStartOf(kind: "activity" | "timer" | "subOrchestration", label: number, leaf: Leaf): boolean {
  const kinds = { activity: ["activity", "retry"], subOrchestration: ["child", "childRetry"], timer: ["timer"] }[kind];
  return label === leaf.label && kinds.includes(leaf.kind);
}

function expectedStarts(leaf: Leaf): number {
  switch (leaf.kind) {
    case "activity":
    case "child":
    case "timer":
      return 1;
    case "retry":
    case "childRetry":
      return Math.min(leaf.failures + 1, leaf.attempts);
    default:
      return 0;
  }
}
