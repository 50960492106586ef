import { readdirSync, readFileSync } from "node:fs";
import { beforeAll, test } from "vitest";
import { QUEUES } from "../../functions/queues/queues.ts";
import { installCoreApi, Registry } from "../../local/host/testing/app-registry.ts";
import { MAX_DEQUEUE_COUNT } from "../../src/app/serve-queue.ts";
import * as backup from "../../src/backup/activities.ts";
import * as messages from "../../src/backup/messages.ts";
import { sweepDebris } from "../../src/debris/sweep-activity.ts";
import { endJob } from "../../src/jobs/end-job.ts";
import * as purge from "../../src/purge/activities.ts";
import * as restore from "../../src/restore/activities.ts";
import * as restoreMessages from "../../src/restore/messages.ts";
import * as retention from "../../src/retention/activities.ts";
import * as scrub from "../../src/scrub/activities.ts";

const ROOT = new URL("../../", import.meta.url);
const registry = new Registry();

interface Binding {
  readonly type: string;
  readonly [option: string]: unknown;
}

const hostJson = JSON.parse(readFileSync(new URL("host.json", ROOT), "utf8")) as {
  readonly extensions: {
    readonly queues: { readonly maxDequeueCount: number };
    readonly http: { routePrefix: string };
  };
};

function triggers(type: string): { readonly name: string; readonly trigger: Binding; readonly bindings: Binding[] }[] {
  return [...registry.functions].flatMap(([name, { metadata }]) => {
    const bindings = Object.values(metadata.bindings) as Binding[];
    const trigger = bindings.find((binding) => binding.type === type);
    return trigger === undefined ? [] : [{ name, trigger, bindings }];
  });
}

beforeAll(async () => {
  installCoreApi(registry, () => undefined);
  await import("../../functions/index.ts");
});

test("every file of functions is loaded with the app", ({ expect }) => {
  const index = readFileSync(new URL("functions/index.ts", ROOT), "utf8");
  const files = readdirSync(new URL("functions/", ROOT), { recursive: true, encoding: "utf8" })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => path.includes("/") && path.endsWith(".ts") && path !== "queues/queues.ts");
  files.push("hooks.ts");
  expect(files.length).toBeGreaterThan(9);
  for (const file of files) expect(index).toContain(`import "./${file}";`);
});

test("every activity and orchestration of the capabilities is registered", ({ expect }) => {
  const contracts = [backup, purge, restore, retention, scrub, { sweepDebris }].flatMap(
    (contract) => Object.values(contract) as unknown[],
  );
  const named = [...contracts, endJob].flatMap((member) =>
    typeof member === "object" && member !== null && "name" in member && "parse" in member ? [String(member.name)] : [],
  );
  expect(triggers("activityTrigger").map(({ name }) => name)).toEqual(expect.arrayContaining(named));
  expect(named).toHaveLength(13);
  expect(triggers("activityTrigger")).toHaveLength(13);
  expect(triggers("orchestrationTrigger").map(({ name }) => name)).toEqual(["backup", "restore", "retention", "scrub"]);
});

test("every queue has a function, and another one for its poison messages", ({ expect }) => {
  const queues = [
    ...[messages.CONTAINER_PLANS_QUEUE, messages.CONTAINER_COPY_QUEUE, messages.MARKER_CHECKS_QUEUE],
    ...[restoreMessages.CONTAINER_RESTORE_PLANS_QUEUE, restoreMessages.CONTAINER_RESTORE_QUEUE],
  ];
  const served = triggers("queueTrigger");
  expect(served.map(({ trigger }) => trigger["queueName"]).sort()).toEqual(
    queues.flatMap((queue) => [queue, `${queue}-poison`]).sort(),
  );
  // The app creates these before the host needs them.
  expect([...QUEUES].sort()).toEqual([...queues].sort());
  for (const { trigger, bindings } of served) {
    expect(trigger["connection"]).toBe("VaultState");
    expect(bindings.map(({ type }) => type)).toContain("durableClient");
  }
  const sent = [...registry.functions.values()].flatMap(({ metadata }) =>
    (Object.values(metadata.bindings) as Binding[]).filter(({ type }) => type === "queue"),
  );
  for (const { queueName, connection } of sent) {
    expect(queues).toContain(queueName);
    expect(connection).toBe("VaultState");
  }
  expect(hostJson.extensions.queues.maxDequeueCount).toBe(MAX_DEQUEUE_COUNT);
});

test("all paths of the API reach it with any method, without a prefix", ({ expect }) => {
  const served = triggers("httpTrigger");
  expect(served.map(({ trigger }) => trigger["route"])).toEqual([
    "subscriptions/{*path}",
    "providers/{*path}",
    "api/{*path}",
    "api/health",
  ]);
  const ofClients = served.filter(({ bindings }) => bindings.some(({ type }) => type === "durableClient"));
  expect(ofClients.map(({ name }) => name)).toEqual(["subscriptions", "providers", "api"]);
  for (const { trigger } of served) {
    expect(trigger["methods"]).toEqual(["GET", "PUT", "POST", "PATCH", "DELETE", "HEAD"]);
    expect(trigger["authLevel"]).toBe("anonymous");
  }
  expect(hostJson.extensions.http.routePrefix).toBe("");
});

test("due backups are checked every minute, expired points every hour", ({ expect }) => {
  expect(triggers("timerTrigger").map(({ name, trigger }) => [name, trigger["schedule"]])).toEqual([
    ["retentionScheduler", "0 23 * * * *"],
    ["scheduler", "0 * * * * *"],
    ["scrubScheduler", "0 41 * * * *"],
  ]);
});
