/**
 * @module How the pools of many instances share one account's limit: every copy is an event, the account refuses what
 *   its bucket has no token for, and each instance has the product's own {@link AdaptivePool}, on simulated time. The
 *   result is the share of the limit that copies reach; the simulation of whole backups uses it.
 */
import { AdaptivePool } from "../../src/foundation/adaptive-pool.ts";
import { VaultError } from "../../src/foundation/errors.ts";
import type { Assumptions } from "./assumptions.ts";
import { EventQueue } from "./event-queue.ts";
import { Random } from "./random.ts";
import { RateServer } from "./rate-server.ts";
import { TokenBucket } from "./token-bucket.ts";

export interface Contention {
  readonly workers: number;
  readonly assumptions: Assumptions;
  /** Processor time of one copy, seconds. */
  readonly cpuPerCopy: number;
  /** Simulated time until counting begins, and its duration, seconds. */
  readonly warmUpSeconds: number;
  readonly seconds: number;
  readonly seed: number;
}

export interface Contended {
  readonly copiesPerSecond: number;
  readonly bytesPerSecond: number;
  /** Share of the account's limit, requests or bytes, whichever is nearer to it; 1 where nothing was refused. */
  readonly limitShare: number;
  /** Share of all attempts that the account refused. */
  readonly refused: number;
  /** Concurrent copies in all instances, and the average time of one. */
  readonly underWay: number;
  readonly copySeconds: number;
}

/** Time of a refusal, seconds. */
const REFUSAL_SECONDS = 0.005;

/** Lets all instances copy as fast as they can for a while. */
export async function contendForAccount(contention: Contention): Promise<Contended> {
  const { workers, assumptions, cpuPerCopy, warmUpSeconds, seconds, seed } = contention;
  const { account, engine, latency, blobBytes } = assumptions;
  const events = new EventQueue();
  const random = new Random(seed);
  const requests = new TokenBucket(account.requestsPerSecond);
  const bytes = new TokenBucket(account.ingressBytesPerSecond);
  const counted = { copies: 0, bytes: 0, refusals: 0, copySeconds: 0 };
  const until = (moment: number): Promise<void> => new Promise((resolve) => events.at(moment, resolve));

  const copy = async (cpu: RateServer): Promise<void> => {
    await until(cpu.serve(events.now, cpuPerCopy));
    const begun = events.now;
    const isCounted = begun >= warmUpSeconds;
    const size = blobBytes.sample(random);
    if (!requests.hasToken(begun) || !bytes.hasToken(begun)) {
      if (isCounted) counted.refusals += 1;
      await until(begun + REFUSAL_SECONDS);
      throw new VaultError("storage/throttled", "the account is busy");
    }
    requests.take(begun, 1);
    bytes.take(begun, size);
    const took = latency.copy.sample(random) + size / latency.copyBytesPerSecond;
    if (isCounted) {
      counted.copies += 1;
      counted.bytes += size;
      counted.copySeconds += took;
    }
    await until(begun + took);
  };

  const page = new Array<number>(engine.pageNames).fill(0);
  for (let worker = 0; worker < workers; worker++) {
    const cpu = new RateServer("processors", 1);
    const pool = new AdaptivePool(
      { widest: engine.poolWidth, retryForMs: Number.MAX_SAFE_INTEGER },
      {
        clock: () => new Date(Math.round(events.now * 1_000)),
        sleep: (ms) => until(events.now + ms / 1_000),
        random: () => random.next(),
      },
    );
    const keepCopying = async (): Promise<never> => {
      for (;;) await pool.map(page, () => copy(cpu));
    };
    for (let range = 0; range < engine.batchSize + engine.newBatchThreshold; range++) void keepCopying();
  }
  await settled();
  while (events.now < warmUpSeconds + seconds && events.step()) await settled();

  const copiesPerSecond = counted.copies / seconds;
  const bytesPerSecond = counted.bytes / seconds;
  const reached = Math.max(copiesPerSecond / account.requestsPerSecond, bytesPerSecond / account.ingressBytesPerSecond);
  return {
    copiesPerSecond,
    bytesPerSecond,
    limitShare: counted.refusals === 0 ? 1 : Math.min(1, reached),
    refused: counted.refusals / Math.max(1, counted.refusals + counted.copies),
    underWay: counted.copySeconds / seconds,
    copySeconds: counted.copySeconds / Math.max(1, counted.copies),
  };
}

/** Resolves after all promises that can settle have settled: only then may time advance. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
