import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";

/**
 * Lets Node keep compiled code between runs, which takes a third off the start; imported before everything else. The
 * folder is the project's own, not the system's shared one, as what it holds is run.
 */
enableCompileCache(fileURLToPath(new URL("../../../node_modules/.cache/functions-host", import.meta.url)));
