/**
 * Reads a `.funcignore` as Azure Functions Core Tools do: all patterns begin at the root, match the beginning of a path that ends
 * where a word ends, and those with `!` win wherever they stand.
 *
 * @returns whether a path, with slashes, is published
 */
export function readFuncignore(content: string): (path: string) => boolean {
  const patterns = content
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
  const left = anyOf(patterns.filter((pattern) => !pattern.startsWith("!")));
  const kept = anyOf(patterns.filter((pattern) => pattern.startsWith("!")).map((pattern) => pattern.slice(1)));
  return (path) => kept(path) || !left(path);
}

function anyOf(patterns: readonly string[]): (path: string) => boolean {
  if (patterns.length === 0) return () => false;
  const sources = patterns.map((pattern) =>
    pattern
      .replace(/^\//, "")
      .replaceAll(/[-[\]/{}()+?.\\^$|]/g, "\\$&")
      .replaceAll("**", "(.+)")
      .replaceAll("*", "([^\\/]+)"),
  );
  const pattern = new RegExp(`^(?:(?:${sources.join(")|(?:")}))\\b`);
  return (path) => pattern.test(path);
}
