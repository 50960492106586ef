import { test } from "vitest";
import { StateQueues } from "../azure/state-queues.ts";
import { makeQueues } from "./make-queues.ts";

/** Nobody listens there. */
const NOWHERE =
  "DefaultEndpointsProtocol=http;AccountName=state;AccountKey=c2VjcmV0;QueueEndpoint=http://127.0.0.1:1/state;";

test("an account that does not answer, or settings that are wrong, let the app start all the same", async ({
  expect,
}) => {
  const queues = new StateQueues({ kind: "key", connectionString: NOWHERE });
  expect(await makeQueues(["one", "two"], () => ({ queues }), 100)).toBe(false);
  expect(await makeQueues(["one"], () => ({ queues: undefined }))).toBe(false);
  const wrong = (): never => {
    throw new Error("the app's settings are wrong: VaultAccess is none of development");
  };
  expect(await makeQueues(["one"], wrong)).toBe(false);
});
