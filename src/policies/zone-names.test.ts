import { test } from "vitest";
import { IANA_OF_WINDOWS_ZONE } from "./windows-zones.ts";
import { IANA_OF_ZONE_NAME, ianaOf } from "./zone-names.ts";

test.for([
  ["Coordinated Universal Time", "UTC"],
  ["coordinated universal time", "UTC"],
  ["(UTC) Coordinated Universal Time", "UTC"],
  ["UTC", "UTC"],
  ["(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna", "Europe/Berlin"],
  ["(UTC-08:00) Pacific Time (US & Canada)", "America/Los_Angeles"],
  ["(UTC+05:30) Chennai, Kolkata, Mumbai, New Delhi", "Asia/Calcutta"],
  ["(UTC-02:00) Coordinated Universal Time-02", "Etc/GMT+2"],
  ["W. Europe Standard Time", "Europe/Berlin"],
  ["Russia TZ 2 Standard Time", "Europe/Moscow"],
  ["Atlantis Standard Time", undefined],
  ["", undefined],
] as const)("'%s' is %s", ([name, iana], { expect }) => {
  expect(ianaOf(name)).toBe(iana);
});

test("every zone of Windows has a name that its settings show, but for UTC, whose name is its standard name", ({
  expect,
}) => {
  const named = new Set(IANA_OF_ZONE_NAME.values());
  expect(IANA_OF_ZONE_NAME.size).toBeGreaterThan(140);
  expect([...IANA_OF_WINDOWS_ZONE.values()].filter((iana) => !named.has(iana))).toEqual([]);
});
