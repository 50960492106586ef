#!/usr/bin/env bash
# Backup policies of Azure name time zones by Windows ids; a program in Node turns them into IANA zones. windows-iana, the usual
# package for that, and cldr-core are both made from CLDR.
#
# One would expect: both give zones with the same time of day, since Windows' zones are the same.
# Seen: windows-iana 5.1.0 gives Asia/Almaty for 'Central Asia Standard Time' and America/Chihuahua for 'Mountain Standard Time
# (Mexico)'. Kazakhstan moved Almaty to UTC+5 in March 2024 and Mexico moved Chihuahua to UTC-6 in 2022, so a schedule by them runs
# an hour off. cldr-core 48.2.0 gives zones that stayed: Asia/Bishkek and America/Mazatlan.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node@22.23.3 windows-iana@5.1.0 cldr-core@48.2.0 2>/dev/null
npm ls --depth 0 2>/dev/null | sed 1d

cat >zones.cjs <<'JS'
const { findIana } = require("windows-iana");
const { supplemental } = require("cldr-core/supplemental/windowsZones.json");
const cldr = new Map();
for (const { mapZone } of supplemental.windowsZones.mapTimezones) {
  if (mapZone._territory === "001") cldr.set(mapZone._other, mapZone._type);
}
const at = new Date("2026-07-01T12:00:00Z");
const clock = (zone) => new Intl.DateTimeFormat("en-GB", { timeZone: zone, timeStyle: "short" }).format(at);
for (const id of ["Central Asia Standard Time", "Mountain Standard Time (Mexico)", "W. Europe Standard Time"]) {
  const [first] = findIana(id);
  console.log(`${id}: windows-iana ${first} ${clock(first)}, cldr-core ${cldr.get(id)} ${clock(cldr.get(id))}`);
}
JS
seen=$(node_modules/.bin/node zones.cjs)
echo "at 12:00 UTC on 1 July 2026:"
echo "$seen"
grep -q 'Central Asia Standard Time: windows-iana Asia/Almaty 17:00, cldr-core Asia/Bishkek 18:00' <<<"$seen"
grep -q 'Mountain Standard Time (Mexico): windows-iana America/Chihuahua 06:00, cldr-core America/Mazatlan 05:00' <<<"$seen"
grep -q 'W. Europe Standard Time: windows-iana Europe/Berlin 14:00, cldr-core Europe/Berlin 14:00' <<<"$seen"
echo "as described"
