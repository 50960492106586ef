import { test } from "vitest";
import { MemoryLake } from "../../test/support/memory-lake.ts";
import { decideFault } from "../azure/decide-fault.ts";
import { FAULT_CODES } from "../azure/fault-table.ts";
import { VaultError } from "../foundation/errors.ts";
import { readIndex, readSeal, readSegment } from "../vault/read-manifest.ts";
import type { CopyOutcome } from "./backup-vault.ts";

const NAMES = ["a", "b", "c", "d", "e", "f"];

async function lakeOf(containers: readonly string[] = ["raw"]): Promise<MemoryLake> {
  const lake = new MemoryLake({ pageSize: 3 });
  await lake.protect();
  for (const container of containers) {
    lake.source.createContainer(container);
    for (const name of NAMES) lake.source.write(container, name, `${name} of ${container}`);
  }
  return lake;
}

/** Changes the outcome of copies of one blob, or of all. */
function answer(lake: MemoryLake, isAsked: (name: string) => boolean, how: () => CopyOutcome): void {
  const copyObject = lake.vault.copyObject.bind(lake.vault);
  lake.vault.copyObject = async (version, path, shouldContinue) =>
    isAsked(version.name) ? how() : copyObject(version, path, shouldContinue);
}

function throwing(error: VaultError): () => never {
  return () => {
    throw error;
  };
}

async function namesIn(lake: MemoryLake, point: string): Promise<string[]> {
  const index = await readIndex(lake.vault, await readSeal(lake.vault, point), "raw");
  const names: string[] = [];
  for (const segment of index?.segments ?? [])
    names.push(...(await readSegment(lake.vault, segment)).map(({ name }) => name));
  return names;
}

const VERDICTS = [...FAULT_CODES.keys(), "SomethingNew"].map((code) => ({
  code,
  verdict: decideFault({ status: 409, code }, "copy").verdict,
}));

test("a permanent refusal of one blob does not affect others, and the seal has the blob and its code", async ({
  expect,
}) => {
  let tried = 0;
  for (const { code, verdict } of VERDICTS) {
    if (verdict !== "warning") continue;
    tried += 1;
    for (const thrown of [false, true]) {
      const lake = await lakeOf();
      const message = `no (${code}, request 77)`;
      const how = thrown
        ? throwing(new VaultError("datasource/refused", message, { serviceCode: code }))
        : (): CopyOutcome => ({ kind: "refused", code, message });
      answer(lake, (name) => name === "c", how);
      const point = await lake.backup("one");
      expect(await namesIn(lake, point), code).toEqual(["a", "b", "d", "e", "f"]);
      const warnings = { count: 1, first: [{ container: "raw", name: "c", code, message }] };
      expect((await readSeal(lake.vault, point)).warnings, code).toEqual(warnings);
      expect(await lake.job("one"), code).toMatchObject({ status: "CompletedWithWarnings", warnings });
      expect(await lake.restore("two", point), code).toBe("Completed");
    }
  }
  expect(tried).toBeGreaterThan(80);
});

test.for([
  ["storage/unavailable", "InternalError"],
  ["storage/unavailable", "ETIMEDOUT"],
  ["storage/throttled", "OperationTimedOut"],
] as const)(
  "a blob whose copy never ends but with %s (%s) is a warning when all others are copied",
  async ([code, serviceCode], { expect }) => {
    const lake = await lakeOf();
    answer(lake, (name) => name === "c", throwing(new VaultError(code, "away", { serviceCode })));
    const point = await lake.backup("one");
    expect(await namesIn(lake, point)).toEqual(["a", "b", "d", "e", "f"]);
    expect((await readSeal(lake.vault, point)).warnings).toMatchObject({
      count: 1,
      first: [{ name: "c", code: serviceCode }],
    });
  },
);

test("a blob whose last retry succeeds is in the point", async ({ expect }) => {
  const lake = await lakeOf();
  let failures = 2;
  const copyObject = lake.vault.copyObject.bind(lake.vault);
  lake.vault.copyObject = async (version, path, shouldContinue) => {
    if (version.name === "c" && failures-- > 0) throw new VaultError("storage/unavailable", "away");
    return copyObject(version, path, shouldContinue);
  };
  expect(await namesIn(lake, await lake.backup("one"))).toEqual(NAMES);
  expect(await lake.job("one")).toMatchObject({ status: "Completed" });
});

test.for([
  ["refuses", "datasource/forbidden"],
  ["throttles", "storage/throttled"],
  ["does not answer", "storage/unavailable"],
] as const)("an account that %s every copy ends in no warnings", async ([kind, code], { expect }) => {
  const lake = await lakeOf();
  const how: () => CopyOutcome =
    kind === "refuses"
      ? () => ({ kind: "refused", code: "AuthorizationFailure", message: "no" })
      : throwing(new VaultError(code, "away", kind === "throttles" ? { serviceCode: "ServerBusy" } : {}));
  answer(lake, () => true, how);
  // A throttled account may copy a marker in between.
  if (kind !== "throttles") lake.vault.copyMarker = async () => how();
  const [message] = await lake.beginBackup(await lake.requestBackup("one"));
  if (message === undefined) throw new Error("nothing was planned");
  await expect(lake.deliver(message)).rejects.toMatchObject({ code });
  expect(await lake.work.get("one", "piece|raw|000000|000000")).toBeUndefined();
  expect(await lake.work.get("one", "marker|raw")).toBeUndefined();
});

test("a container that refuses every copy, its marker's too, is skipped when others answer", async ({ expect }) => {
  const lake = await lakeOf(["other", "raw"]);
  const refused: CopyOutcome = { kind: "refused", code: "AuthorizationPermissionMismatch", message: "no" };
  const { copyObject, copyMarker } = lake.vault;
  lake.vault.copyObject = async (version, ...rest) =>
    version.container === "raw" ? refused : copyObject.call(lake.vault, version, ...rest);
  lake.vault.copyMarker = async (container, ...rest) =>
    container === "raw" ? refused : copyMarker.call(lake.vault, container, ...rest);
  const point = await lake.backup("one");
  const { containers, warnings } = await readSeal(lake.vault, point);
  expect(containers.map(({ name }) => name)).toEqual(["other"]);
  expect(warnings).toMatchObject({
    count: 1,
    first: [{ container: "raw", name: "", code: "AuthorizationPermissionMismatch" }],
  });
});

test("many refused blobs cost few probes", async ({ expect }) => {
  const lake = await lakeOf();
  for (let n = 0; n < 200; n++) lake.source.write("raw", `n${n}`, "x");
  answer(
    lake,
    (name) => name.startsWith("n"),
    () => ({ kind: "refused", code: "NoMore", message: "no" }),
  );
  let probes = 0;
  const copyMarker = lake.vault.copyMarker.bind(lake.vault);
  lake.vault.copyMarker = (...marker) => {
    probes += 1;
    return copyMarker(...marker);
  };
  await lake.backup("one");
  expect(await lake.job("one")).toMatchObject({ warnings: { count: 200 }, totals: { entries: 6, warned: 200 } });
  expect(probes).toBeLessThan(150);
});
