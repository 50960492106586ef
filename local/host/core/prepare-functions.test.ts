import { test } from "vitest";
import type { BindingDefinition, FunctionDefinition } from "../protocol.ts";
import { parseHostConfig } from "./host-config.ts";
import { prepareFunctions } from "./prepare-functions.ts";
import { Settings } from "./settings.ts";

const SETTINGS = { AzureWebJobsStorage: "UseDevelopmentStorage=true", Tick: "0 */5 * * * *", InQueue: "orders" };

function trigger(type: string, options: Record<string, unknown> = {}): BindingDefinition {
  return { type, name: `${type}1`, direction: "in", ...options };
}

function definition(name: string, options: Partial<FunctionDefinition>): FunctionDefinition {
  return { name, trigger: trigger("httpTrigger"), inputs: [], outputs: [], ...options };
}

function prepare(
  functions: readonly FunctionDefinition[],
  settings: Record<string, string> = {},
  hostJson: Record<string, unknown> = {},
): FunctionDefinition[] {
  const all = new Settings({ ...SETTINGS, ...settings });
  return prepareFunctions(functions, parseHostConfig({ version: "2.0", ...hostJson }, all), all);
}

test("settings in bindings are resolved", async ({ expect }) => {
  const [tick, orders] = prepare([
    definition("tick", { trigger: trigger("timerTrigger", { schedule: "%Tick%" }) }),
    definition("orders", { trigger: trigger("queueTrigger", { queueName: "%InQueue%-In", connection: "" }) }),
  ]);
  expect(tick?.trigger["schedule"]).toBe("0 */5 * * * *");
  expect(orders?.trigger["queueName"]).toBe("orders-in");
});

test("every function and binding that is not supported is named, with the way out", async ({ expect }) => {
  const output: BindingDefinition = { type: "sendGrid", name: "mail", direction: "out" };
  const input: BindingDefinition = { type: "cosmosDB", name: "rows", direction: "in" };
  expect(() =>
    prepare([
      definition("fine", {}),
      definition("onBlob", { trigger: trigger("blobTrigger") }),
      definition("counter", { trigger: trigger("entityTrigger") }),
      definition("mailer", { outputs: [output], inputs: [input] }),
    ]),
  ).toThrow(
    [
      "function 'onBlob': its blobTrigger binding is not supported by this host: use Azure Functions Core Tools (func start)",
      "function 'counter': its entityTrigger binding is not supported by this host: use Azure Functions Core Tools (func start)",
      "function 'mailer': its cosmosDB binding is not supported by this host: use Azure Functions Core Tools (func start)",
      "function 'mailer': its sendGrid binding is not supported by this host: use Azure Functions Core Tools (func start)",
    ].join("\n"),
  );
});

const REFUSED: readonly [string, BindingDefinition, RegExp][] = [
  [
    "the gRPC protocol of Durable",
    trigger("orchestrationTrigger", { durableRequiresGrpc: true }),
    /asks for the gRPC protocol of durable-functions 4.*func start/,
  ],
  [
    "deferred bindings",
    trigger("queueTrigger", { queueName: "aaa", properties: { supportsDeferredBinding: "true" } }),
    /asks for SDK \(deferred\) bindings.*func start/,
  ],
  [
    "SDK bindings",
    trigger("queueTrigger", { queueName: "aaa", sdkBinding: true }),
    /asks for SDK \(deferred\) bindings/,
  ],
  [
    "an unknown schedule",
    trigger("timerTrigger", { schedule: "@daily" }),
    /'odd': its timerTrigger binding: schedule '@daily' must be NCRONTAB/,
  ],
  [
    "a missing setting",
    trigger("queueTrigger", { queueName: "%Missing%" }),
    /function 'odd': its queueTrigger binding needs the app setting 'Missing'/,
  ],
  [
    "a missing connection",
    trigger("queueTrigger", { queueName: "aaa", connection: "Nowhere" }),
    /function 'odd': its queueTrigger binding uses the connection 'Nowhere', which is not set/,
  ],
  [
    "a queue that cannot be",
    trigger("queueTrigger", { queueName: "in--queue" }),
    /function 'odd': its queueTrigger binding: 'in--queue' is no name of a queue/,
  ],
  [
    "a broken route",
    trigger("httpTrigger", { route: "a/{b" }),
    /function 'odd': its httpTrigger binding: route 'a\/{b'/,
  ],
];

for (const [what, binding, message] of REFUSED) {
  test(`refuses ${what}`, async ({ expect }) => {
    expect(() => prepare([definition("odd", { trigger: binding })])).toThrow(message);
  });
}

test("functions that are switched off are left out, and not checked", async ({ expect }) => {
  const functions = [
    definition("one", {}),
    definition("two", { trigger: trigger("blobTrigger") }),
    definition("three", {}),
  ];
  const left = prepare(functions, { "AzureWebJobs.two.Disabled": "true" }, { functions: ["one", "two"] });
  expect(left.map(({ name }) => name)).toEqual(["one"]);
});
