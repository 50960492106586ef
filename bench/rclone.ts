/**
 * @module For comparison: `rclone sync` between two accounts, configured for speed by rclone's documentation, with
 *   server-side copies.
 *
 * @see https://rclone.org/azureblob/
 */
import { execFile } from "node:child_process";
import { devNull } from "node:os";
import { promisify } from "node:util";
import {
  AccountSASPermissions,
  AccountSASResourceTypes,
  AccountSASServices,
  generateAccountSASQueryParameters,
  SASProtocol,
  StorageSharedKeyCredential,
} from "@azure/storage-blob";
import type { AzuriteAccount } from "../local/azurite.ts";
import { WIDTH } from "./side-by-side.ts";

const run = promisify(execFile);

const SIGNATURE_LIFE_MS = 2 * 60 * 60_000;

export interface RcloneSync {
  readonly from: AzuriteAccount;
  readonly to: AzuriteAccount;
  readonly container: string;
}

export interface Rclone {
  readonly version: string;
  /** @throws Error with rclone's output when it fails */
  sync(sync: RcloneSync): Promise<void>;
}

/** @returns undefined if rclone is not installed */
export async function findRclone(): Promise<Rclone | undefined> {
  let version: string;
  try {
    version = (await run("rclone", ["version"])).stdout.split("\n", 1).join();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  return { version, sync: syncByRclone };
}

/** Remotes are set by environment, so that nothing is written and no key is in the process list. */
async function syncByRclone({ from, to, container }: RcloneSync): Promise<void> {
  const { PATH = "", HOME = "" } = process.env;
  const env = {
    PATH,
    HOME,
    ...remote("LAKE", from),
    ...remote("MIRROR", to),
  };
  await run(
    "rclone",
    [
      ...["sync", `lake:${container}`, `mirror:${container}`, "--config", devNull],
      ...["--transfers", String(WIDTH), "--checkers", String(WIDTH)],
      // One flat listing instead of one per directory.
      "--fast-list",
      // Compares by MD5 of the listing. By time, the second sync would write each blob's time.
      "--checksum",
      // Without it older versions download and upload between two remotes.
      "--server-side-across-configs",
    ],
    { env },
  );
}

/** A SAS instead of the account's key: old versions of rclone accept a key for Azure's own endpoints only. */
function remote(name: string, account: AzuriteAccount): Record<string, string> {
  const signature = generateAccountSASQueryParameters(
    {
      services: AccountSASServices.parse("b").toString(),
      resourceTypes: AccountSASResourceTypes.parse("sco").toString(),
      permissions: AccountSASPermissions.parse("rwdlac"),
      expiresOn: new Date(Date.now() + SIGNATURE_LIFE_MS),
      protocol: SASProtocol.HttpsAndHttp,
    },
    new StorageSharedKeyCredential(account.name, account.key),
  );
  return {
    [`RCLONE_CONFIG_${name}_TYPE`]: "azureblob",
    [`RCLONE_CONFIG_${name}_SAS_URL`]: `${account.blobEndpoint}?${signature}`,
  };
}
