/**
 * @module
 * Circles among files, or folders, that import each other.
 */

/** Which members each one imports. */
export type Imports = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * Tells the circles: groups of two or more members each of which reaches all others by way of imports. Who stands in several
 * circles makes them one group.
 *
 * @returns each group sorted by name
 */
export function circlesOf(imports: Imports): string[][] {
  const members = [...imports.keys()].sort();
  const reached = new Map(members.map((member) => [member, reachedFrom(member, imports)]));
  const told = new Set<string>();
  const circles: string[][] = [];
  for (const member of members) {
    if (told.has(member)) continue;
    const circle = members.filter(
      (other) => other === member || (reached.get(member)?.has(other) && reached.get(other)?.has(member)),
    );
    if (circle.length === 1) continue;
    for (const other of circle) told.add(other);
    circles.push(circle);
  }
  return circles;
}

function reachedFrom(member: string, imports: Imports): Set<string> {
  const reached = new Set<string>();
  const open = [member];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const imported of imports.get(next) ?? []) {
      if (reached.has(imported)) continue;
      reached.add(imported);
      open.push(imported);
    }
  }
  return reached;
}
