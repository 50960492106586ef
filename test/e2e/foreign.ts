/**
 * @module The end-to-end tests against a host that they do not start: one copy of the project runs on the embedded host
 *   in production mode, with keys, on four accounts of Azurite; the tests run from another copy, and have only the
 *   host's address, the accounts and the master key.
 *
 * `npm run test:e2e:foreign -- [FILES]`; exits with the status of the tests.
 */
import { execFileSync, spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { startAzurite } from "../../local/azurite.ts";
import { startTestHost } from "../../local/host/testing/test-host.ts";
import { LOCAL_ACCOUNTS, lakevaultSettings } from "../../local/lakevault.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Copies the project and its build; packages are only linked. */
async function copyProject(to: string): Promise<void> {
  const listed = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"], { cwd: ROOT });
  for (const path of listed
    .toString()
    .split("\0")
    .filter((text) => text !== "")) {
    await mkdir(dirname(join(to, path)), { recursive: true });
    await cp(join(ROOT, path), join(to, path));
  }
  await cp(join(ROOT, "dist"), join(to, "dist"), { recursive: true });
  await symlink(join(ROOT, "node_modules"), join(to, "node_modules"));
}

async function runTests(folder: string, environment: Readonly<Record<string, string>>): Promise<number> {
  const vitest = join(folder, "node_modules/vitest/vitest.mjs");
  const child = spawn(process.execPath, [vitest, "run", "--project", "e2e", ...process.argv.slice(2)], {
    cwd: folder,
    env: { ...process.env, ...environment },
    stdio: "inherit",
  });
  return new Promise((resolve) => child.once("exit", (status) => resolve(status ?? 1)));
}

const folder = await mkdtemp(join(tmpdir(), "lakevault-foreign-"));
try {
  const [app, tests, state] = [join(folder, "app"), join(folder, "tests"), join(folder, "state")];
  await copyProject(app);
  await copyProject(tests);
  const azurite = await startAzurite({ accounts: LOCAL_ACCOUNTS });
  try {
    const host = await startTestHost({
      app,
      settings: lakevaultSettings(azurite),
      arguments: ["--production"],
      stateFolder: state,
    });
    try {
      const { master } = JSON.parse(await readFile(join(state, "host-keys.json"), "utf8")) as { master: string };
      const connections = LOCAL_ACCOUNTS.map((name) => [
        `LAKEVAULT_E2E_${name.toUpperCase()}`,
        azurite.account(name).connectionString,
      ]);
      process.exitCode = await runTests(tests, {
        LAKEVAULT_E2E_URL: host.baseUrl,
        LAKEVAULT_E2E_KEY: master,
        ...Object.fromEntries(connections),
      });
    } finally {
      await host.stop();
    }
  } finally {
    await azurite.stop();
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
