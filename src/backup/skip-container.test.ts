import { type ExpectStatic, test } from "vitest";
import type { CopyMessage } from "../../test/support/lake-activities.ts";
import { MemoryLake } from "../../test/support/memory-lake.ts";
import { strideOf } from "../../test/support/soak-factor.ts";
import { VaultError } from "../foundation/errors.ts";
import type { JobRef } from "../jobs/job-ref.ts";
import { readIndex, readSeal, readSegment } from "../vault/read-manifest.ts";
import type { BackupVault } from "./backup-vault.ts";
import type { Datasource } from "./datasource.ts";
import { sealRecoveryPointActivity } from "./seal-recovery-point.ts";
import { skipContainer } from "./skip-container.ts";

const CONTAINERS = ["curated", "doomed", "raw"];

/** A lake that tells of each call to the source or the vault before it is made. */
class WatchedLake extends MemoryLake {
  onCall: (call: string) => void = () => undefined;

  override get deps() {
    const deps = super.deps;
    return {
      ...deps,
      datasource: (): Datasource => this.#watched(deps.datasource()),
      vault: (): ReturnType<typeof deps.vault> => this.#watched(deps.vault()),
    };
  }

  #watched<T extends Datasource | BackupVault>(port: T): T {
    return new Proxy(port, {
      get: (target, property) => {
        const member: unknown = Reflect.get(target, property, target);
        if (typeof member !== "function") return member;
        return (...args: unknown[]): unknown => {
          this.onCall(String(property));
          const result: unknown = member.apply(target, args);
          return property === "listPages" ? this.#pages(result as AsyncIterable<unknown>) : result;
        };
      },
    });
  }

  async *#pages(pages: AsyncIterable<unknown>): AsyncGenerator<unknown> {
    for await (const page of pages) {
      yield page;
      this.onCall("next page");
    }
  }
}

async function lakeOf(containers: readonly string[] = CONTAINERS): Promise<WatchedLake> {
  const lake = new WatchedLake({ pageSize: 3, settings: { segmentSizes: { usual: 4, largest: 8, small: 2 } } });
  await lake.protect();
  for (const container of containers) {
    lake.source.createContainer(container);
    for (let n = 0; n < 8; n++) lake.source.write(container, `n${n}`, `${container} ${n}`);
  }
  return lake;
}

/** A whole backup, in which each message comes twice. */
async function backup(lake: MemoryLake, ref: JobRef, times = 1): Promise<void> {
  const queue: CopyMessage[] = [...(await lake.beginMarked(ref))];
  for (let message = queue.shift(); message !== undefined; message = queue.shift()) {
    for (let n = 1; n < times; n++) await lake.deliver(message);
    queue.push(...(await lake.deliver(message)));
  }
}

async function namesIn(lake: MemoryLake, point: string, container: string): Promise<string[] | undefined> {
  const index = await readIndex(lake.vault, await readSeal(lake.vault, point), container);
  if (index === undefined) return undefined;
  const names: string[] = [];
  for (const segment of index.segments) names.push(...(await readSegment(lake.vault, segment)).map(({ name }) => name));
  return names;
}

async function expectOthersWhole(lake: MemoryLake, point: string, expect: ExpectStatic, where: string): Promise<void> {
  for (const container of ["curated", "raw"]) {
    expect(await namesIn(lake, point, container), where).toEqual(["n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7"]);
  }
}

test.for([
  ["deleted", false],
  ["deleted, under messages that come twice,", false],
  ["deleted and made again", true],
] as const)(
  "a container that is %s at any moment stays out as a whole or is whole, and keeps no other out",
  async ([kind, isMadeAgain], { expect }) => {
    const times = kind.includes("twice") ? 2 : 1;
    const seen = new Map<string, number>();
    const codes = new Map<string, number>();
    for (let moment = 0; ; moment += strideOf(3)) {
      const lake = await lakeOf();
      let calls = 0;
      let where: string | undefined;
      lake.onCall = (call) => {
        if (calls++ !== moment) return;
        where = `${call} (${moment})`;
        seen.set(call, (seen.get(call) ?? 0) + 1);
        lake.source.containers.delete("doomed");
        if (!isMadeAgain) return;
        lake.source.createContainer("doomed");
        for (let n = 4; n < 12; n++) lake.source.write("doomed", `n${n}`, `anew ${n}`);
      };
      const ref = await lake.requestBackup("one");
      await backup(lake, ref, times);
      await sealRecoveryPointActivity(lake.deps, ref);
      // A second execution of the seal changes nothing.
      const sealed = [...lake.vault.files];
      await sealRecoveryPointActivity(lake.deps, ref);
      expect([...lake.vault.files], where).toEqual(sealed);
      await lake.seal(ref);
      await lake.sweep(ref);
      if (where === undefined) break;

      const job = await lake.job("one");
      const point = job.recoveryPoint?.id ?? "";
      const { warnings } = await readSeal(lake.vault, point);
      expect(job.warnings, where).toEqual(warnings);
      const names = await namesIn(lake, point, "doomed");
      await expectOthersWhole(lake, point, expect, where);
      const events = (job.containers ?? []).map((container) => `replicated.${container}`);
      expect([...new Set(lake.events)].sort(), where).toEqual(events);
      if (names === undefined) {
        // Before anything was begun it was no container of the job, or it stays out and the seal says so.
        if (job.containers?.includes("doomed")) {
          expect(warnings, where).toMatchObject({ count: 1, first: [{ container: "doomed", name: "" }] });
          expect(job.status, where).toBe("CompletedWithWarnings");
        }
        const code = warnings.first[0]?.code ?? "none";
        codes.set(code, (codes.get(code) ?? 0) + 1);
        expect(
          [...lake.vault.files.keys()].filter((path) => path.startsWith("data/doomed/")),
          where,
        ).toEqual([]);
      } else {
        expect(warnings.count, where).toBe(0);
        expect(
          [
            ["n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7"],
            ["n10", "n11", "n4", "n5", "n6", "n7", "n8", "n9"],
          ],
          where,
        ).toContainEqual(names);
      }
      // The next backup takes whatever is there then.
      lake.onCall = () => undefined;
      const next = await lake.backup("two");
      expect(await namesIn(lake, next, "doomed"), where).toEqual(
        isMadeAgain ? ["n10", "n11", "n4", "n5", "n6", "n7", "n8", "n9"] : undefined,
      );
      await expectOthersWhole(lake, next, expect, where);
    }
    expect([...seen.keys()]).toEqual(
      expect.arrayContaining([
        "listContainers",
        "writeMarker",
        "listPages",
        "next page",
        "copyObject",
        "copyMarker",
        "create",
      ]),
    );
    expect([...codes.keys()]).toContain(isMadeAgain ? "container-replaced" : "container-missing");
    expect([...seen.values()].reduce((sum, n) => sum + n, 0)).toBeGreaterThan(40);
  },
);

/** Lets one container refuse all calls of a port's method. */
function refuse(lake: WatchedLake, containers: readonly string[], methods: readonly string[], error: VaultError): void {
  const real = Object.getOwnPropertyDescriptor(WatchedLake.prototype, "deps")?.get;
  Object.defineProperty(lake, "deps", {
    get: () => {
      const deps = real?.call(lake) as WatchedLake["deps"];
      const refusing = <T extends object>(port: T): T =>
        new Proxy(port, {
          get: (target, property) => {
            const member: unknown = Reflect.get(target, property, target);
            if (!methods.includes(String(property)) || typeof member !== "function") return member;
            return (container: string, ...args: unknown[]) => {
              if (containers.includes(container)) throw error;
              return member.call(target, container, ...args) as unknown;
            };
          },
        });
      return { ...deps, datasource: () => refusing(deps.datasource()), vault: () => refusing(deps.vault()) };
    },
  });
}

const refusal = (code: "datasource/refused" | "datasource/forbidden") =>
  new VaultError(code, "said by the service", { serviceCode: "ContainerDisabled" });

test.for([
  ["writeMarker", "datasource/forbidden"],
  ["writeMarker", "datasource/refused"],
  ["listPages", "datasource/forbidden"],
  ["listPages", "datasource/refused"],
  ["copyMarker", "datasource/refused"],
] as const)(
  "a container whose %s is %s stays out, with the service's code, when others answer",
  async ([method, code], { expect }) => {
    const lake = await lakeOf();
    refuse(lake, ["doomed"], [method], refusal(code));
    const ref = await lake.requestBackup("one");
    await backup(lake, ref);
    expect((await lake.work.get("one", "plan|doomed")) !== undefined).toBe(method === "copyMarker");
    expect(await lake.seal(ref)).toBe("CompletedWithWarnings");
    const point = (await lake.job("one")).recoveryPoint?.id ?? "";
    expect((await readSeal(lake.vault, point)).warnings).toEqual({
      count: 1,
      first: [{ container: "doomed", name: "", code: "ContainerDisabled", message: "said by the service" }],
    });
    await expectOthersWhole(lake, point, expect, method);
    // What stays out is not copied for nothing.
    const copied = lake.vault.written.filter((path) => path.startsWith("data/doomed/"));
    expect(copied).toHaveLength(method === "copyMarker" ? 8 : 0);
  },
);

test.for([
  [["writeMarker"], "datasource/forbidden"],
  [["listPages", "look"], "datasource/forbidden"],
  // Markers can be read, so that each container alone may be at fault, up to the last.
  [["listPages"], "datasource/refused"],
] as const)(
  "an account that refuses %j everywhere fails the job and seals nothing",
  async ([methods, code], { expect }) => {
    const lake = await lakeOf();
    refuse(lake, CONTAINERS, methods, refusal("datasource/forbidden"));
    const ref = await lake.requestBackup("one");
    await expect(backup(lake, ref).then(() => lake.seal(ref))).rejects.toMatchObject({ code });
    expect([...lake.vault.files.keys()].filter((path) => path.startsWith("recovery-points/"))).toEqual([]);
  },
);

test("what is no container's fault is thrown, and the message comes again", async ({ expect }) => {
  const lake = await lakeOf();
  refuse(lake, ["doomed"], ["listPages"], new VaultError("storage/unavailable", "away"));
  const ref = await lake.requestBackup("one");
  await expect(backup(lake, ref)).rejects.toMatchObject({ code: "storage/unavailable" });
  expect(await lake.work.get("one", "marker|doomed")).toBeUndefined();
});

test("the ranges of a container that is skipped are not worked on", async ({ expect }) => {
  const lake = await lakeOf();
  const ref = await lake.requestBackup("one");
  const messages = await lake.beginBackup(ref);
  await skipContainer(lake.work, "one", "doomed", { code: "container-missing", message: "gone" });
  await lake.deliverAll(messages);
  expect(lake.vault.written.filter((path) => path.startsWith("data/doomed/"))).toEqual([]);
  expect(lake.events.toSorted()).toEqual(["replicated.curated", "replicated.doomed", "replicated.raw"]);
  expect(await lake.seal(ref)).toBe("CompletedWithWarnings");
});
