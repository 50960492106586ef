import { MemoryLake } from "./memory-lake.ts";

const SMALL = { usual: 4, largest: 8, small: 2 };

export async function backedUp(): Promise<{ lake: MemoryLake; point: string }> {
  const lake = new MemoryLake({ settings: { segmentSizes: SMALL } });
  await lake.protect();
  for (const container of ["curated", "empty", "raw"]) lake.source.createContainer(container);
  for (let i = 0; i < 20; i++) {
    for (const container of ["curated", "raw"]) {
      lake.source.write(container, `n${i}`, `${container} ${i}`, {
        metadata: { i: String(i) },
        tags: { t: String(i) },
      });
    }
  }
  return { lake, point: await lake.backup("backup") };
}

/** All blobs of the target, by container and name. */
export function contentsOf(lake: MemoryLake): unknown {
  return [...lake.target.containers]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([container, blobs]) => [
      container,
      [...blobs]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, { content, metadata, tags }]) => [name, content, metadata, tags]),
    ]);
}
