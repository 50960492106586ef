/**
 * @module Some weeks or years of one lake, with a daily backup and a purge of expired points, by the host's own timers:
 *   the remaining points must be exactly those of an independent calendar.
 */
import type { ExpectStatic } from "vitest";
import { type MovableTime, openMovableTime } from "../../../local/host/testing/movable-time.ts";
import { type Estate, openEstate } from "./estate.ts";
import { PaperCalendar } from "./paper-calendar.ts";
import { type LakeState, Scenario } from "./scenario.ts";

const BLOBS = 5;

interface Timed {
  readonly estate: Estate;
  readonly time: MovableTime;
}

export interface DailyBackups {
  /** ISO 8601 date, also of the days below. */
  readonly firstDay: string;
  readonly days: number;
  /** Days between two complete checks of the vault. */
  readonly lookEvery: number;
  /** The day whose point is restored at the end. */
  readonly restoredDay: string;
  /** Called with each line of the storage service's access log, and the day on which it was written; 0 is the first. */
  readonly onRequest?: (line: string, day: number) => void;
}

/** Runs the days on an estate of its own. */
export async function backUpDaily(wanted: DailyBackups, expect: ExpectStatic): Promise<void> {
  const calendar = new PaperCalendar(wanted.firstDay);
  let day = -1;
  const { onRequest } = wanted;
  const time = await openMovableTime(new Date(calendar.firstDay));
  try {
    const settings = {
      // The log shows when a job has ended, so that the test need not poll.
      "AzureFunctionsJobHost__logging__logLevel__Function.endJob": "Debug",
      // Scrubs run only when the test requests them.
      ...{ VaultScrubDays: "3650", VaultScrubRereadPercent: "100" },
    };
    const estate = await openEstate(settings, time, [], onRequest && ((line) => onRequest(line, day)));
    try {
      await runDays({ estate, time }, calendar, wanted, expect, (now) => {
        day = now;
      });
    } finally {
      await estate.close();
    }
  } finally {
    await time.close();
  }
}

async function runDays(
  timed: Timed,
  calendar: PaperCalendar,
  { days, lookEvery, restoredDay }: DailyBackups,
  expect: ExpectStatic,
  begins: (day: number) => void,
): Promise<void> {
  const lake = new Scenario(timed.estate, ["raw"]);
  const [raw = ""] = lake.containers;
  await lake.createContainers();
  for (let blob = 0; blob < BLOBS; blob += 1) await lake.write(raw, `blob ${blob}`, "as it was at first");
  await lake.protect(undefined, calendar.policy);
  await scrub(timed, lake);

  const restored = calendar.dayOf(restoredDay);
  let wantedBack: LakeState = {};
  let looks = 0;
  let purges = 0;
  for (let day = 0; day < days; day += 1) {
    begins(day);
    // Yesterday's point was added to those that remained after yesterday's purge.
    const expires = calendar.survivorsOf(day).length < calendar.survivorsOf(day - 1).length + (day === 0 ? 0 : 1);
    await moveTo(timed, calendar.purgeOf(day), expires);
    if (expires) purges += 1;

    await lake.write(raw, `blob ${day % BLOBS}`, `as it was on day ${day}`);
    if (day === restored) wantedBack = await lake.state("prodlake");
    await moveTo(timed, calendar.backupOf(day), true);

    if ((day + 1) % lookEvery !== 0) continue;
    const kept = [...calendar.survivorsOf(day), day];
    expect((await pointsOf(lake)).map(({ made, tag }) => `${made} ${tag}`)).toEqual(
      kept.map((n) => calendar.nameOf(n)),
    );
    expect(await objectsInVault(timed)).toBe(versionsIn(kept));
    looks += 1;
  }
  expect(looks).toBe(days / lookEvery);

  const jobs = await jobsOf(lake);
  const backups = Array.from({ length: days }, () => "Backup Completed");
  const retentions = Array.from({ length: purges }, () => "Retention Completed");
  expect(purges).toBeGreaterThan(days / 2);
  expect(jobs.toSorted()).toEqual([...backups, ...retentions, "Scrub Completed"]);

  expect(await scrub(timed, lake)).toMatchObject({
    objects: String(versionsIn([...calendar.survivorsOf(days - 1), days - 1])),
    missing: "0",
    altered: "0",
    debris: "0",
  });

  const point = (await pointsOf(lake)).find(({ made }) => made === restoredDay);
  const restore = await lake.wait(await lake.startRestore(point?.name ?? ""));
  expect(restore.properties.status).toBe("Completed");
  expect(Object.keys(wantedBack)).toHaveLength(BLOBS);
  expect(await lake.state("restored")).toEqual(wantedBack);
}

/** Moves the clock, so that the host's timers run, and waits for the end of the job that they start. */
async function moveTo({ estate, time }: Timed, at: number, startsJob: boolean): Promise<void> {
  const end = startsJob ? estate.nextLine?.(/ endJob (done|failed)/) : undefined;
  await time.moveTo(new Date(at));
  const line = await end;
  if (line?.includes("failed")) throw new Error(line);
}

/** Compares everything in the vault account with what its points reference. @returns the counts */
async function scrub({ estate }: Timed, lake: Scenario): Promise<Readonly<Record<string, string>> | undefined> {
  const { properties } = await lake.wait(await estate.api.startJob(`/api${lake.instance}/scrub`, {}));
  if (properties.status !== "Completed") throw new Error(`the scrub ended as '${properties.status}'`);
  return properties.extendedInfo?.additionalDetails;
}

interface Point {
  readonly name: string;
  /** Date in UTC. */
  readonly made: string;
  readonly tag: string;
}

/** All recovery points, oldest first. */
async function pointsOf(lake: Scenario): Promise<Point[]> {
  const points: Point[] = [];
  for (let next: string | undefined = `${lake.instance}/recoveryPoints`; next !== undefined; ) {
    const page = (await lake.get(next)).body as {
      readonly value: readonly { name: string; properties: { recoveryPointTime: string; retentionTagName: string } }[];
      readonly nextLink?: string;
    };
    for (const { name, properties } of page.value) {
      points.push({ name, made: properties.recoveryPointTime.slice(0, 10), tag: properties.retentionTagName });
    }
    next = page.nextLink;
  }
  return points.reverse();
}

/** Kind and end of each job. */
async function jobsOf(lake: Scenario): Promise<string[]> {
  const jobs: string[] = [];
  for (let next: string | undefined = `${lake.vault}/backupJobs`; next !== undefined; ) {
    const page = (await lake.get(next)).body as {
      readonly value: readonly { properties: { operation: string; status: string } }[];
      readonly nextLink?: string;
    };
    for (const { properties } of page.value) jobs.push(`${properties.operation} ${properties.status}`);
    next = page.nextLink;
  }
  return jobs;
}

/** Counts the objects in the vault account. */
async function objectsInVault({ estate }: Timed): Promise<number> {
  const vault = estate.blobs("vault");
  let objects = 0;
  for await (const { name } of vault.listContainers({ prefix: "bi-" })) {
    for await (const _ of vault.getContainerClient(name).listBlobsFlat({ prefix: "data/" })) objects += 1;
  }
  return objects;
}

/** Counts the different versions of blobs in the points of some days: a blob changes only in its turn. */
function versionsIn(days: readonly number[]): number {
  const blobs = Array.from({ length: BLOBS }, (_, blob) => blob);
  return new Set(
    days.flatMap((day) => blobs.map((blob) => `${blob} ${Math.max(day - ((day - blob + BLOBS) % BLOBS), -1)}`)),
  ).size;
}
