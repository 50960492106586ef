import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "vitest";
import { openMovableTime } from "./movable-time.ts";

/** Answers each message with what the time is, asked in all ways. */
const TELLER = `process.on("message", () => {
  const made = new Date();
  process.send({
    now: Date.now(),
    made: made.getTime(),
    text: Date(),
    given: new Date(2020, 0, 1).getTime(),
    parsed: Date.parse("2020-01-01T00:00:00Z"),
    isDate: made instanceof Date && made.constructor === Date,
  });
})`;

interface Told {
  readonly now: number;
  readonly made: number;
  readonly text: string;
  readonly given: number;
  readonly parsed: number;
  readonly isDate: boolean;
}

async function ask(child: ChildProcess): Promise<Told> {
  const answer = once(child, "message");
  child.send("now");
  return (await answer)[0] as Told;
}

test("processes that follow a time tell it from their start and at each move, and know all other dates", async ({
  expect,
}) => {
  const first = new Date("2023-03-01T12:00:00Z");
  const time = await openMovableTime(first);
  const start = (): ChildProcess =>
    spawn(process.execPath, ["--disable-warning=ExperimentalWarning", time.nodeArgument, "-e", TELLER], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
  const children = [start(), start()];
  try {
    let asked = 0;
    for (const at of [first, new Date("2025-12-31T23:59:00Z"), new Date("2019-01-01T00:00:00Z")]) {
      await time.moveTo(at);
      for (const child of children) {
        const told = await ask(child);
        const limit = time.now().getTime();
        for (const moment of [told.now, told.made]) {
          expect(moment).toBeGreaterThanOrEqual(at.getTime());
          expect(moment).toBeLessThanOrEqual(limit);
        }
        expect(Math.abs(Date.parse(told.text) - told.now)).toBeLessThan(1_000);
        expect(told).toMatchObject({
          given: new Date(2020, 0, 1).getTime(),
          parsed: Date.UTC(2020, 0, 1),
          isDate: true,
        });
        asked += 1;
      }
    }
    expect(asked).toBe(6);
  } finally {
    for (const child of children) child.kill();
    await time.close();
  }
});

test("who listens to a time is told of each move, before it and after it, until he has enough", async ({ expect }) => {
  const time = await openMovableTime(new Date("2023-03-01T12:00:00Z"));
  const told: string[] = [];
  const stop = time.onMove(async (moment) => {
    told.push(`${moment} ${time.now().toISOString().slice(0, 10)}`);
  });
  await time.moveTo(new Date("2024-02-29T00:00:00Z"));
  stop();
  await time.moveTo(new Date("2024-03-01T00:00:00Z"));
  expect(told).toEqual(["moving 2023-03-01", "moved 2024-02-29"]);
  await time.close();
});
