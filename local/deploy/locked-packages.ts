/** Where a package lies, as `package-lock.json` says it, and whether only development needs it. */
export interface LockedPackage {
  readonly folder: string;
  readonly isForDevelopment: boolean;
}

/** @param lock - content of `package-lock.json` */
export function readLock(lock: string): LockedPackage[] {
  const { packages } = JSON.parse(lock) as { readonly packages: Readonly<Record<string, { readonly dev?: boolean }>> };
  return Object.entries(packages)
    .filter(([folder]) => folder !== "")
    .map(([folder, { dev }]) => ({ folder, isForDevelopment: dev === true }));
}
