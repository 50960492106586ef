import { VaultError } from "../foundation/errors.ts";

/** Whether an error means that a file of the vault is missing or corrupt, rather than that the account failed. */
export function isDamage(error: unknown): boolean {
  return error instanceof VaultError && (error.code === "format/corrupt" || error.code === "format/missing");
}

/** @returns undefined when the file is damaged */
export async function unlessDamaged<T>(read: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!isDamage(error)) throw error;
    return undefined;
  }
}
