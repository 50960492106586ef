/**
 * @module
 * Two years of one lake, a backup a day and a purge of what has expired, by the host's own timers: what is left must be
 * exactly what a calendar on paper says.
 */
import { afterAll, beforeAll, test } from "vitest";
import { type MovableTime, openMovableTime } from "../../local/testing/movable-time.ts";
import {
  backupOf,
  dateOf,
  dayOf,
  FIRST_DAY,
  PAPER_POLICY,
  purgeOf,
  survivorsOf,
  tagOf,
} from "./support/calendar-on-paper.ts";
import { type Estate, GIVEN_URL, openEstate } from "./support/estate.ts";
import { type LakeState, Scenario } from "./support/scenario.ts";

const DAYS = 730;
const BLOBS = 5;

/** Days between two looks at all that the vault holds. */
const LOOK_EVERY = 73;

let time: MovableTime;
let estate: Estate;

beforeAll(async () => {
  time = await openMovableTime(new Date(FIRST_DAY));
  estate = await openEstate(
    {
      // The log tells when a job has ended, so that the test need not ask again and again.
      "AzureFunctionsJobHost__logging__logLevel__Function.endJob": "Debug",
      // Scrubs run when the test asks for them.
      ...{ VaultScrubDays: "3650", VaultScrubRereadPercent: "100" },
    },
    time,
  );
});

afterAll(async () => {
  await estate?.close();
  await time?.close();
});

test.skipIf(GIVEN_URL !== undefined)(
  "after two years of daily backups a vault holds what its policy keeps, and nothing else",
  { timeout: 1_200_000 },
  async ({ expect }) => {
    const lake = new Scenario(estate, ["raw"]);
    const [raw = ""] = lake.containers;
    await lake.createContainers();
    for (let blob = 0; blob < BLOBS; blob += 1) await lake.write(raw, `blob ${blob}`, "as it was at first");
    await lake.protect(undefined, PAPER_POLICY);
    await scrub(lake);

    const newYear = dayOf(2024, 1, 1);
    let atNewYear: LakeState = {};
    let days = 0;
    let looks = 0;
    let purges = 0;
    for (let day = 0; day < DAYS; day += 1) {
      // Yesterday's point has come to those that outlived yesterday's purge.
      const expires = survivorsOf(day).length < survivorsOf(day - 1).length + (day === 0 ? 0 : 1);
      await moveTo(purgeOf(day), expires);
      if (expires) purges += 1;

      await lake.write(raw, `blob ${day % BLOBS}`, `as it was on day ${day}`);
      if (day === newYear) atNewYear = await lake.state("prodlake");
      await moveTo(backupOf(day), true);
      days += 1;

      if (days % LOOK_EVERY !== 0) continue;
      const kept = [...survivorsOf(day), day];
      expect((await pointsOf(lake)).map(({ made, tag }) => `${made} ${tag}`)).toEqual(kept.map(nameOf));
      expect(await objectsInVault()).toBe(versionsIn(kept));
      looks += 1;
    }
    expect({ days, looks }).toEqual({ days: DAYS, looks: DAYS / LOOK_EVERY });

    const jobs = await jobsOf(lake);
    const backups = Array.from({ length: DAYS }, () => "Backup Completed");
    const retentions = Array.from({ length: purges }, () => "Retention Completed");
    expect(jobs.toSorted()).toEqual([...backups, ...retentions, "Scrub Completed"]);

    expect(await scrub(lake)).toMatchObject({
      objects: String(versionsIn([...survivorsOf(DAYS - 1), DAYS - 1])),
      missing: "0",
      altered: "0",
      debris: "0",
    });

    const point = (await pointsOf(lake)).find(({ made }) => made === "2024-01-01");
    const restored = await lake.wait(await lake.startRestore(point?.name ?? ""));
    expect(restored.properties.status).toBe("Completed");
    expect(Object.keys(atNewYear)).toHaveLength(BLOBS);
    expect(await lake.state("restored")).toEqual(atNewYear);
  },
);

/** Moves the clock, past which the host's timers run, and waits for the end of the job that they start. */
async function moveTo(at: number, startsJob: boolean): Promise<void> {
  const end = startsJob ? estate.nextLine?.(/ endJob (done|failed)/) : undefined;
  await time.moveTo(new Date(at));
  const line = await end;
  if (line?.includes("failed")) throw new Error(line);
}

/** Compares all that the vault account holds with what its points name. @returns what was counted */
async function scrub(lake: Scenario): Promise<Readonly<Record<string, string>> | undefined> {
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

/** All recovery points, the oldest first. */
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

function nameOf(day: number): string {
  return `${dateOf(day).toISOString().slice(0, 10)} ${tagOf(day)}`;
}

/** What each job did and how it ended. */
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

/** Counts the objects that the vault account holds. */
async function objectsInVault(): Promise<number> {
  const vault = estate.blobs("vault");
  let objects = 0;
  for await (const { name } of vault.listContainers({ prefix: "bi-" })) {
    for await (const _ of vault.getContainerClient(name).listBlobsFlat({ prefix: "data/" })) objects += 1;
  }
  return objects;
}

/** Counts the different versions of blobs in the points of some days: a blob is as it was when its turn last came. */
function versionsIn(days: readonly number[]): number {
  const blobs = Array.from({ length: BLOBS }, (_, blob) => blob);
  return new Set(
    days.flatMap((day) => blobs.map((blob) => `${blob} ${Math.max(day - ((day - blob + BLOBS) % BLOBS), -1)}`)),
  ).size;
}
