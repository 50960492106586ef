import { test } from "vitest";
import { z } from "zod";
import { contexts } from "../../test/support/invocation-contexts.ts";
import { MemoryOrchestrations } from "../../test/support/memory-app.ts";
import { REQUESTED } from "../../test/support/memory-jobs.ts";
import { MemoryRecords } from "../../test/support/memory-records.ts";
import { VaultError } from "../foundation/errors.ts";
import type { Job } from "../jobs/job.ts";
import { JobRef } from "../jobs/job-ref.ts";
import { MAX_DEQUEUE_COUNT, servePoison, serveQueue } from "./serve-queue.ts";

const MESSAGE = { vault: "v", job: "j", container: "c" };

const Message = JobRef.extend({ container: z.string() });

async function jobsWith(request: Job["request"]): Promise<MemoryRecords<Job>> {
  const jobs = new MemoryRecords<Job>();
  await jobs.put("v", "j", { ...REQUESTED, id: "j", vault: "v", request });
  return jobs;
}

/** Delivers a message whose work fails, or does not. */
async function deliver(failure: Error | undefined, dequeueCount = 1) {
  const { context, fake } = contexts(dequeueCount);
  const orchestrations = new MemoryOrchestrations();
  const jobs = await jobsWith({ kind: "backup", slot: "2026-01-01T00:00:00.000Z", rule: "BackupDaily" });
  const worked: unknown[] = [];
  const handler = serveQueue(
    Message,
    async (message) => {
      worked.push(message);
      if (failure !== undefined) throw failure;
    },
    () => ({ orchestrations, jobs }),
    (_, body) => body(),
  );
  const thrown = await handler(MESSAGE, context).then(
    () => undefined,
    (error: unknown) => error,
  );
  return { thrown, raised: orchestrations.raised, logged: fake.logged, worked };
}

test("a message whose work is done is done", async ({ expect }) => {
  expect(await deliver(undefined)).toEqual({ thrown: undefined, raised: [], logged: [], worked: [MESSAGE] });
});

test("a permanent failure ends the job at once and is not delivered again", async ({ expect }) => {
  const { thrown, raised } = await deliver(new VaultError("datasource/forbidden", "no"));
  expect(thrown).toBeUndefined();
  expect(raised).toEqual([{ id: "backup-j", event: "failed", value: { code: "datasource/forbidden", message: "no" } }]);
});

test("a retryable failure is delivered again, and ends the job only the last time", async ({ expect }) => {
  const failure = new VaultError("storage/unavailable", "https://a.b/c?sig=secret is away");
  let tried = 0;
  for (let delivery = 1; delivery < MAX_DEQUEUE_COUNT; delivery++) {
    const { thrown, raised, logged } = await deliver(failure, delivery);
    expect(thrown).toMatchObject({ message: "https://a.b/c is away" });
    expect(raised).toEqual([]);
    expect(logged).toHaveLength(1);
    tried += 1;
  }
  expect(tried).toBe(4);
  const { thrown, raised } = await deliver(failure, MAX_DEQUEUE_COUNT);
  expect(thrown).toMatchObject({ message: "https://a.b/c is away" });
  expect(raised).toMatchObject([
    { id: "backup-j", event: "failed", value: { code: "storage/unavailable", message: "https://a.b/c is away" } },
  ]);
});

test("an invalid message is never processed", async ({ expect }) => {
  const { context } = contexts();
  const handler = serveQueue(
    Message,
    async () => expect.unreachable(),
    () => expect.unreachable(),
  );
  await expect(handler({ job: 7 }, context)).rejects.toThrow();
});

test("a poison message fails its job, and one without a job is only logged", async ({ expect }) => {
  const orchestrations = new MemoryOrchestrations();
  const jobs = await jobsWith({ kind: "restore", recoveryPoint: "p", target: { resourceId: "/t", account: "t" } });
  const poison = servePoison("container-restore", () => ({ orchestrations, jobs }));
  const { context, fake } = contexts();
  await poison(MESSAGE, context);
  await poison("nonsense", context);
  expect(orchestrations.raised).toMatchObject([
    {
      id: "restore-j",
      event: "failed",
      value: {
        code: "message/poisoned",
        message: "a message of queue 'container-restore' failed 5 times",
      },
    },
  ]);
  expect(fake.logged.map(([told]) => told)).toEqual([
    "a message of job 'j' is in the poison queue",
    "a poison message has no job",
  ]);
});
