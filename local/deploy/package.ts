/** @module `npm run package`: makes `dist-app`, the folder that is deployed. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { packageApp } from "./package-app.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

const { files, bytes } = await packageApp(ROOT, join(ROOT, "dist-app"));
console.log(`dist-app: ${files} files, ${(bytes / 1e6).toFixed(1)} MB`);
