import type { BlobAccount } from "./blob-account.ts";

/** The service's own containers, such as `$logs`; `$root` and `$web` are for users. */
function isUserContainer(name: string): boolean {
  return !name.startsWith("$") || name === "$root" || name === "$web";
}

/** Names of all containers that users write to, ascending. */
export async function userContainers(account: BlobAccount): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of account.service.listContainers()) {
    if (isUserContainer(name)) names.push(name);
  }
  return names.sort();
}
