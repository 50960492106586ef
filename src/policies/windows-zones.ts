/**
 * @module
 * Windows time zone ids, as Azure's clients send them, and the IANA zone of each, from Unicode's own data.
 *
 * @see https://unicode.org/reports/tr35/tr35-dates.html#windowsZones
 */
import cldr from "cldr-core/supplemental/windowsZones.json" with { type: "json" };

/** The territory under which CLDR names the one zone that stands for a Windows zone wherever it is used. */
const WORLD = "001";

/** Keys in lower case: clients use different letter cases. */
export const IANA_OF_WINDOWS_ZONE: ReadonlyMap<string, string> = new Map(
  cldr.supplemental.windowsZones.mapTimezones
    .map(({ mapZone }) => mapZone)
    .filter(({ _territory }) => _territory === WORLD)
    // `Etc/UTC` in CLDR, but `UTC` in the policies that are stored.
    .map(({ _other, _type }) => [_other.toLowerCase(), _other === "UTC" ? "UTC" : _type]),
);
