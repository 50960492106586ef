import { execFile } from "node:child_process";
import { delimiter, dirname } from "node:path";
import { promisify } from "node:util";

/**
 * Runs npm in a folder, on the Node that runs this: the same npm that runs this, where one does.
 *
 * @returns what it printed
 * @throws Error with what it printed, when it fails
 */
export function runNpm(
  folder: string,
  commandLine: readonly string[],
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const { npm_execpath: cli, PATH = "" } = process.env;
  const [file, ...before] = cli === undefined ? ["npm"] : [process.execPath, cli];
  const env = { ...process.env, PATH: [dirname(process.execPath), PATH].join(delimiter) };
  return promisify(execFile)(file, [...before, ...commandLine], { cwd: folder, env });
}
