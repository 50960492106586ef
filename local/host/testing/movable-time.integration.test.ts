import { type QueueClient, QueueServiceClient } from "@azure/storage-queue";
import { afterAll, beforeAll, test } from "vitest";
import { type Azurite, startAzurite } from "../../azurite.ts";
import { allTriggersSettings, appFolder, waitFor } from "./fixtures.ts";
import { type MovableTime, openMovableTime } from "./movable-time.ts";
import { startTestHost, type TestHost } from "./test-host.ts";

let time: MovableTime;
let azurite: Azurite;
let host: TestHost;
let ticks: QueueClient;

beforeAll(async () => {
  time = await openMovableTime(new Date("2023-12-30T12:00:00Z"));
  azurite = await startAzurite({ accounts: ["one"], nodeArguments: [time.nodeArgument] });
  const account = azurite.account("one");
  const settings = { ...allTriggersSettings(account), Tick: "0 0 3 * * *" };
  host = await startTestHost({ app: appFolder("all-triggers"), settings, time });
  ticks = QueueServiceClient.fromConnectionString(account.connectionString).getQueueClient("ticks");
});

afterAll(async () => {
  await host?.stop();
  await azurite?.stop();
  await time?.close();
});

/** When the timer has run, by the clock of the storage. */
async function ticksInQueue(): Promise<string[]> {
  const { peekedMessageItems } = await ticks.peekMessages({ numberOfMessages: 32 }).catch((error) => {
    if (error.statusCode !== 404) throw error;
    return { peekedMessageItems: [] };
  });
  return peekedMessageItems.map(({ insertedOn }) => insertedOn.toISOString().slice(0, 16));
}

test("a timer runs when the time is moved past its moment: once, however many it missed", async ({ expect }) => {
  const expected: string[] = [];
  const moves = [
    { to: "2023-12-31T02:59", runs: false },
    { to: "2023-12-31T03:00", runs: true },
    { to: "2024-01-02T10:00", runs: true },
    { to: "2024-01-03T02:59", runs: false },
    { to: "2024-01-05T02:59", runs: true },
    { to: "2024-01-05T03:01", runs: true },
  ];
  let moved = 0;
  for (const { to, runs } of moves) {
    await time.moveTo(new Date(`${to}:00Z`));
    if (runs) expected.push(to);
    expect(await ticksInQueue()).toEqual(expected);
    moved += 1;
  }
  expect(moved).toBe(moves.length);
});

test("a host that is started anew goes on in the moved time, and makes up for the run that it missed", async ({
  expect,
}) => {
  await host.stop();
  const before = await ticksInQueue();
  await time.moveTo(new Date("2024-01-06T05:00:00Z"));
  const settings = { ...allTriggersSettings(azurite.account("one")), Tick: "0 0 3 * * *" };
  host = await startTestHost({ app: appFolder("all-triggers"), settings, time });
  const after = await waitFor("a tick", async () => {
    const now = await ticksInQueue();
    return now.length > before.length ? now : undefined;
  });
  expect(after).toEqual([...before, "2024-01-06T05:00"]);
});
