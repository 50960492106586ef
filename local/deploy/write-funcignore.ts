/** @module `npm run funcignore`: writes `.funcignore` anew, after dependencies have changed. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { funcignoreFor } from "./funcignore.ts";
import { readLock } from "./locked-packages.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

const packages = readLock(await readFile(join(ROOT, "package-lock.json"), "utf8"));
await writeFile(join(ROOT, ".funcignore"), funcignoreFor(packages));
