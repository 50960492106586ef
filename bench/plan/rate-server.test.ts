import fc from "fast-check";
import { test } from "vitest";
import { RateServer } from "./rate-server.ts";
import { TokenBucket } from "./token-bucket.ts";

const asked = fc.array(fc.record({ wait: fc.nat(50), amount: fc.nat(100) }), { minLength: 1, maxLength: 100 });

test("a rate server never serves more than its rate, and idles only without requests", ({ expect }) => {
  fc.assert(
    fc.property(asked, (all) => {
      const server = new RateServer("any", 10);
      let now = 0;
      let served = 0;
      let lastDone = 0;
      for (const { wait, amount } of all) {
        now += wait;
        const done = server.serve(now, amount);
        expect(done).toBeCloseTo(Math.max(now, lastDone) + amount / 10, 6);
        served += amount;
        lastDone = done;
      }
      expect(served / 10).toBeLessThanOrEqual(lastDone + 1e-9);
      expect(server.busySeconds).toBeCloseTo(served / 10, 6);
    }),
  );
});

test("a bucket lets through its saved and new tokens, and at most one amount more", ({ expect }) => {
  fc.assert(
    fc.property(asked, (all) => {
      const bucket = new TokenBucket(10);
      let now = 0;
      let taken = 0;
      for (const { wait, amount } of all) {
        now += wait / 10;
        if (!bucket.hasToken(now)) continue;
        bucket.take(now, amount);
        taken += amount;
      }
      expect(taken).toBeLessThanOrEqual(10 + 10 * now + 100);
    }),
  );
});
