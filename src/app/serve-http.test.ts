import { HttpRequest, InvocationContext } from "@azure/functions";
import { test } from "vitest";
import { MemoryApp, vaultBody } from "../../test/support/memory-app.ts";
import { apiServer, healthServer } from "./serve-http.ts";

/** A context as the host passes it to a function without the durable client among its inputs. */
function context(): { readonly logged: unknown[]; readonly context: InvocationContext } {
  const logged: unknown[] = [];
  const made = new InvocationContext({
    functionName: "test",
    invocationId: "1",
    logHandler: (_, ...args) => logged.push(args),
  });
  return { logged, context: made };
}

function composedOf(app: MemoryApp) {
  const { tables, settings, ...deps } = app.deps;
  return () => ({ ...tables, ...deps, config: settings });
}

const wrong = (): never => {
  throw new Error("the app's settings are wrong: VaultAccess is none of development");
};

test("health needs no durable client, and reports problems", async ({ expect }) => {
  const app = new MemoryApp();
  const ask = () => new HttpRequest({ method: "GET", url: "http://localhost:7071/api/health" });
  const serve = healthServer(composedOf(app));
  expect(await serve(ask(), context().context)).toMatchObject({ status: 200, jsonBody: { status: "ok" } });
  app.problems = [{ part: "tables of the state account", reason: "storage/unavailable" }];
  expect(await serve(ask(), context().context)).toMatchObject({
    status: 503,
    jsonBody: {
      status: "unhealthy",
      problems: [{ part: "tables of the state account", reason: "storage/unavailable" }],
    },
  });
});

test("health reports wrong settings too, by their names", async ({ expect }) => {
  const { logged, context: of } = context();
  const request = new HttpRequest({ method: "GET", url: "http://localhost:7071/api/health" });
  expect(await healthServer(wrong)(request, of)).toMatchObject({
    status: 503,
    jsonBody: {
      problems: [{ part: "settings", reason: "the app's settings are wrong: VaultAccess is none of development" }],
    },
  });
  expect(logged).toHaveLength(1);
});

test("a request that fails is answered, because a streaming host would wait forever", async ({ expect }) => {
  for (const composed of [wrong, composedOf(new MemoryApp())]) {
    const { logged, context: of } = context();
    const request = new HttpRequest({
      method: "PUT",
      url: "http://localhost:7071/subscriptions/s?api-version=2026-06-01",
      body: { string: JSON.stringify(vaultBody()) },
    });
    // The second has no durable client, and so fails too.
    const answer = await apiServer(composed)(request, of);
    expect(answer).toMatchObject({ status: 500, jsonBody: { error: { code: "InternalServerError" } } });
    expect(JSON.stringify(answer.jsonBody)).not.toContain("VaultAccess");
    expect(logged).toHaveLength(1);
  }
});
