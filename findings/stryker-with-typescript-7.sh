#!/usr/bin/env bash
# Stryker 10 rewrites a project's tsconfig.json by calling the JavaScript API of the `typescript` package. TypeScript 7 is a
# native compiler and its package has no such API.
#
# One would expect: a mutation run of a project with vitest starts, whatever its TypeScript, since vitest needs none.
# Seen: the run ends before the first mutant with "parseConfigFileTextToJson is not a function". Naming a tsconfig file
# that does not exist turns the rewriting off, and all works.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm pkg set type=module >/dev/null
npm install --silent --no-audit --no-fund node@22.23.3 typescript@7.0.2 vitest@5.1.1 \
  @stryker-mutator/core@10.1.1 @stryker-mutator/vitest-runner@10.1.1 2>/dev/null
mkdir src
echo 'export const isAdult = (age: number): boolean => age >= 18;' >src/age.ts
cat >src/age.test.ts <<'TEST'
import { expect, test } from "vitest";
import { isAdult } from "./age.ts";
test("from 18 on", () => expect([isAdult(17), isAdult(18), isAdult(19)]).toEqual([false, true, true]));
TEST
echo '{ "compilerOptions": { "strict": true, "allowImportingTsExtensions": true, "noEmit": true } }' >tsconfig.json
run() {
  echo "{ \"testRunner\": \"vitest\", \"mutate\": [\"src/age.ts\"], \"reporters\": [\"clear-text\"], \"tsconfigFile\": \"$1\" }" >stryker.config.json
  PATH="$folder/node_modules/.bin:$PATH" stryker run 2>&1 || true
}

npm ls --depth 0 2>/dev/null | sed 1d
with=$(run tsconfig.json)
without=$(run none.json)
echo "with tsconfig.json:    $(grep -om1 'parseConfigFileTextToJson is not a function' <<<"$with" || echo 'it ran')"
echo "with a name of no file: $(grep -om1 'Done in' <<<"$without" || echo 'it did not run')"
grep -q 'parseConfigFileTextToJson is not a function' <<<"$with"
grep -q 'Done in' <<<"$without"
echo "as described"
