/**
 * @module
 * An estate whose time a test moves, so that minutes without progress of a job pass at once.
 */

import { setTimeout } from "node:timers/promises";
import type { ExpectStatic } from "vitest";
import type { Azurite } from "../../../local/azurite.ts";
import { type MovableTime, openMovableTime } from "../../../local/host/testing/movable-time.ts";
import { MINUTE_MS } from "../../../src/foundation/durations.ts";
import { type FaultyProxy, startFaultyProxy } from "../../support/faulty-proxy.ts";
import { type Estate, openEstate } from "./estate.ts";
import { Scenario } from "./scenario.ts";

export class MovedEstate {
  readonly time: MovableTime;
  readonly estate: Estate;
  /** Between the app and its tables; the host has its own connection. */
  readonly tables: FaultyProxy;

  private constructor(time: MovableTime, estate: Estate, tables: FaultyProxy) {
    this.time = time;
    this.estate = estate;
    this.tables = tables;
  }

  /** @param hostArguments - further arguments of `local/host/main.ts` */
  static async open(hostArguments: readonly string[] = []): Promise<MovedEstate> {
    const time = await openMovableTime(new Date("2026-03-02T10:00:30.000Z"));
    let tables: FaultyProxy | undefined;
    const behindProxy = async (azurite: Azurite) => {
      const { connectionString, tableEndpoint } = azurite.account("vaultstate");
      tables = await startFaultyProxy(new URL(tableEndpoint).origin);
      // Two copies at a time, so that a job of a hundred blobs is at work for a while.
      return {
        VaultState: connectionString.replace(new URL(tableEndpoint).origin, tables.origin),
        VaultCopyWidth: "2",
      };
    };
    const estate = await openEstate(behindProxy, time, hostArguments);
    if (tables === undefined) throw new Error("this needs a host of its own");
    return new MovedEstate(time, estate, tables);
  }

  async close(): Promise<void> {
    await this.estate.close();
    await this.tables.stop();
    await this.time.close();
  }

  /** Moves the clock forward at once, without a tick between. */
  leap(minutes: number): Promise<void> {
    return this.time.moveTo(new Date(this.time.now().getTime() + minutes * MINUTE_MS));
  }

  /** Moves the clock forward, with one tick of the scheduler per minute. */
  async pass(minutes: number): Promise<void> {
    for (let minute = 0; minute < minutes; minute++) await this.leap(1);
  }

  /** Waits for the end of a job, while the minutes pass. */
  async end(lake: Scenario, job: string): Promise<string> {
    for (let minute = 0; minute < 12; minute++) {
      const { properties } = (await lake.get(job)).body as { properties: { status: string } };
      if (properties.status !== "InProgress") return properties.status;
      await this.pass(1);
      await setTimeout(1_500);
    }
    return (await lake.wait(job)).properties.status;
  }

  async protectedLake(blobs: number): Promise<Scenario> {
    const lake = new Scenario(this.estate, ["raw"]);
    await lake.createContainers();
    await lake.fill(blobs);
    await lake.protect();
    return lake;
  }
}

/** Restores the newest point, which must equal the source. */
export async function restoresWhole(lake: Scenario, expect: ExpectStatic): Promise<void> {
  const wanted = await lake.state("prodlake");
  const [point = ""] = await lake.recoveryPoints();
  expect((await lake.wait(await lake.startRestore(point))).properties.status).toBe("Completed");
  expect(await lake.state("restored")).toEqual(wanted);
}
