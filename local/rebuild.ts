/**
 * @module
 * `npm run rebuild -- [vault ARM id]`
 */
import { fileURLToPath } from "node:url";
import { runRebuild } from "./rebuild-command.ts";

process.exitCode = await runRebuild({
  arguments: process.argv.slice(2),
  environment: process.env,
  folder: fileURLToPath(new URL("..", import.meta.url)),
  writeLine: (line) => console.log(line),
});
