import { IANAZone } from "luxon";
import { test } from "vitest";
import { IANA_OF_WINDOWS_ZONE } from "./windows-zones.ts";

test("every Windows zone has an IANA zone that this runtime supports", ({ expect }) => {
  expect(IANA_OF_WINDOWS_ZONE.size).toBeGreaterThan(130);
  for (const [windows, iana] of IANA_OF_WINDOWS_ZONE)
    expect(IANAZone.isValidZone(iana), `${windows}=${iana}`).toBe(true);
});

test.for([
  ["UTC", "UTC"],
  ["India Standard Time", "Asia/Calcutta"],
  ["Pacific Standard Time", "America/Los_Angeles"],
  ["W. Europe Standard Time", "Europe/Berlin"],
  ["UTC+12", "Etc/GMT-12"],
  ["Central Asia Standard Time", "Asia/Bishkek"],
  ["Mountain Standard Time (Mexico)", "America/Mazatlan"],
] as const)("%s is %s", ([windows, iana], { expect }) => {
  expect(IANA_OF_WINDOWS_ZONE.get(windows.toLowerCase())).toBe(iana);
});
