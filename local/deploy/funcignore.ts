/**
 * @module
 * What `.funcignore` says. Azure Functions Core Tools take each pattern as the beginning of a path, up to the end of a word, with
 * `*` for at least one character; other tools read it as they read `.gitignore`. The lines mean the same to both.
 *
 * @see https://github.com/Azure/azure-functions-core-tools/blob/main/src/Cli/func/Common/GitIgnoreParser.cs
 */
import type { LockedPackage } from "./locked-packages.ts";

const PROJECT = `# What 'func azure functionapp publish' leaves out of the app. Written by 'npm run funcignore'.
/.ci
/.funcignore
/.git
/.git*
/.lakevault
/.mutants
/.npmrc
/.vitest
/.vscode
/__azurite*
/bench
/biome.json
/dist-app
/docs
/findings
/functions
/infra
/lint
/local
/local.settings.*
/src
/test
/tsconfig.json
/tsconfig.*.json
/vitest.config.ts
/*.log
/*.md
**/*.test.js
**/*.map
**/*.ts
**/*.mts
**/*.cts
**/*.tsbuildinfo

# Packages that only development needs.
/node_modules/.*
**/.bin
`;

/** @returns the whole file */
export function funcignoreFor(packages: readonly LockedPackage[]): string {
  const deployed = packages.filter(({ isForDevelopment }) => !isForDevelopment).map(({ folder }) => folder);
  const left: string[] = [];
  for (const { folder, isForDevelopment } of packages) {
    if (!isForDevelopment) continue;
    const scope = /^.*\/@[^/]+(?=\/[^/]+$)/.exec(folder)?.[0];
    const widest = scope !== undefined && !deployed.some((other) => other.startsWith(`${scope}/`)) ? scope : folder;
    if (!left.some((other) => other === widest || widest.startsWith(`${other}/`))) left.push(widest);
  }
  return PROJECT + left.flatMap((folder) => linesFor(folder, deployed)).join("");
}

function linesFor(folder: string, deployed: readonly string[]): string[] {
  const isStartOfAnother = deployed.some((other) => other.startsWith(folder) && /^\W/.test(other.slice(folder.length)));
  return isStartOfAnother ? [`/${folder}/\n`, `/${folder}/.*\n`] : [`/${folder}\n`];
}
