import { fileURLToPath } from "node:url";

/** Folder of one of the apps that tests run. */
export function appFolder(name: string): string {
  return fileURLToPath(new URL(`apps/${name}`, import.meta.url));
}

/** The settings that the app `all-triggers` needs; its timer does not come round by itself. */
export function allTriggersSettings(account: { readonly connectionString: string }): Record<string, string> {
  return {
    AzureWebJobsStorage: account.connectionString,
    VaultStorage: account.connectionString,
    RelayQueue: "relay",
    Tick: "0 0 0 29 2 *",
    TestSetting: "from the settings",
  };
}

/**
 * Asks again and again until there is an answer.
 *
 * @throws Error when there is none in time
 */
export async function waitFor<T>(what: string, ask: () => Promise<T | undefined>, timeoutMs = 20_000): Promise<T> {
  const until = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > until) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
