import { test } from "vitest";
import { StateQueues } from "../azure/state-queues.ts";
import { makeQueues } from "./make-queues.ts";

/** Nothing listens there. */
const NOWHERE =
  "DefaultEndpointsProtocol=http;AccountName=state;AccountKey=c2VjcmV0;QueueEndpoint=http://127.0.0.1:1/state;";

test("the app starts even when an account does not answer, or settings are wrong", async ({ expect }) => {
  const queues = new StateQueues({ kind: "key", connectionString: NOWHERE });
  expect(await makeQueues(["one", "two"], () => ({ queues }), 100)).toBe(false);
  expect(await makeQueues(["one"], () => ({ queues: undefined }))).toBe(false);
  const wrong = (): never => {
    throw new Error("the app's settings are wrong: VaultAccess is none of development");
  };
  expect(await makeQueues(["one"], wrong)).toBe(false);
});
