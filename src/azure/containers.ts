import type { ContainerProperties } from "../backup/datasource.ts";
import { present } from "../foundation/present.ts";
import { PUBLIC_ACCESS } from "../vault/seal.ts";
import type { BlobAccount } from "./blob-account.ts";
import { listContainerPages } from "./list-blobs.ts";

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

/** Metadata and access level of containers; those with neither are omitted. */
export async function containersWithProperties(account: BlobAccount): Promise<ContainerProperties[]> {
  const found: ContainerProperties[] = [];
  for await (const page of listContainerPages(account)) {
    for (const { name, metadata, untoldMetadata, properties } of page) {
      const publicAccess = PUBLIC_ACCESS.find((level) => level === properties.publicAccess);
      if (!isUserContainer(name) || (metadata ?? untoldMetadata ?? publicAccess) === undefined) continue;
      found.push({
        container: name,
        ...present({ metadata, publicAccess, untoldMetadata }),
      });
    }
  }
  return found;
}
