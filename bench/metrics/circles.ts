/**
 * @module
 * Circular imports of files, or folders.
 */

/** The imported members of each member. */
export type Imports = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * Returns the circles: groups of two or more members that reach each other by imports. Circles with a common member are
 * one group.
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
