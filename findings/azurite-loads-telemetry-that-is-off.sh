#!/usr/bin/env bash
# Azurite has an option --disableTelemetry. Test suites start it often, so its start counts.
#
# One would expect: with telemetry disabled its client is not loaded.
# Seen: Azurite 3.37 loads `applicationinsights` with all of OpenTelemetry all the same, more than half of the files of its start. Given
# another module in its place, it starts and serves in well under three quarters of the processor time.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node@22.23.3 azurite@3.37.0 2>/dev/null
npm ls --depth 0 2>/dev/null | sed 1d

cat >without.mjs <<'JS'
import { registerHooks } from "node:module";
const unused = { url: "node:constants", format: "builtin", shortCircuit: true };
registerHooks({ resolve: (name, context, next) => (name === "applicationinsights" ? unused : next(name, context)) });
JS
cat >report.mjs <<'JS'
import { createRequire } from "node:module";
const loaded = createRequire(import.meta.url);
setTimeout(() => {
  const { user, system } = process.cpuUsage();
  const files = Object.keys(loaded.cache);
  const telemetry = files.filter((file) => /applicationinsights|opentelemetry/.test(file)).length;
  console.log(`REPORT ${files.length} ${telemetry} ${Math.round((user + system) / 1000)}`);
  process.exit(0);
}, 6_000);
JS
start() {
  AZURITE_ACCOUNTS="one:$(head -c 64 /dev/urandom | base64 -w 0)" node_modules/.bin/node --disable-warning=ExperimentalWarning \
    "$@" --import ./report.mjs node_modules/azurite/dist/src/azurite.js --silent --disableTelemetry --skipApiVersionCheck \
    --inMemoryPersistence --blobPort 0 --queuePort 0 --tablePort 0 | grep REPORT
}
read -r _ files telemetry ms < <(start)
read -r _ files_without telemetry_without ms_without < <(start --import ./without.mjs)
echo "as it is:    $files files loaded, $telemetry of them telemetry"
echo "without it:  $files_without files loaded, $telemetry_without of them telemetry"
echo "processor time of the start: $((100 * ms_without / ms)) % of what it is"
[ "$telemetry" -gt 500 ]
[ "$telemetry_without" -eq 0 ]
[ $((2 * telemetry)) -gt "$files" ]
[ $((4 * ms_without)) -lt $((3 * ms)) ]
echo "as described"
