/**
 * @module
 * Other names of time zones, beside the ids of Windows and IANA: the standard-time names of Windows, such as
 * `Coordinated Universal Time` in Microsoft's own examples of policies, and the names in the Windows settings.
 *
 * @see https://learn.microsoft.com/azure/templates/microsoft.dataprotection/backupvaults/backuppolicies
 */
import { IANA_OF_WINDOWS_ZONE } from "./windows-zones.ts";

/** Standard names that differ from the zone's id, with the id. */
const STANDARD_NAMES = `
Coordinated Universal Time=UTC
Greenwich Mean Time=GMT Standard Time
Jerusalem Standard Time=Israel Standard Time
Malay Peninsula Standard Time=Singapore Standard Time
Cabo Verde Standard Time=Cape Verde Standard Time
Novosibirsk Standard Time=N. Central Asia Standard Time
Russia TZ 1 Standard Time=Kaliningrad Standard Time
Russia TZ 2 Standard Time=Russian Standard Time
Russia TZ 3 Standard Time=Russia Time Zone 3
Russia TZ 4 Standard Time=Ekaterinburg Standard Time
Russia TZ 6 Standard Time=North Asia Standard Time
Russia TZ 7 Standard Time=North Asia East Standard Time
Russia TZ 8 Standard Time=Yakutsk Standard Time
Russia TZ 9 Standard Time=Vladivostok Standard Time
Russia TZ 10 Standard Time=Russia Time Zone 10
Russia TZ 11 Standard Time=Russia Time Zone 11
`;

/** Names in the Windows settings after the offset, with the id. */
const SHOWN_NAMES = `
International Date Line West=Dateline Standard Time
Coordinated Universal Time-11=UTC-11
Aleutian Islands=Aleutian Standard Time
Hawaii=Hawaiian Standard Time
Marquesas Islands=Marquesas Standard Time
Alaska=Alaskan Standard Time
Coordinated Universal Time-09=UTC-09
Baja California=Pacific Standard Time (Mexico)
Coordinated Universal Time-08=UTC-08
Pacific Time (US & Canada)=Pacific Standard Time
Arizona=US Mountain Standard Time
La Paz, Mazatlan=Mountain Standard Time (Mexico)
Chihuahua, La Paz, Mazatlan=Mountain Standard Time (Mexico)
Mountain Time (US & Canada)=Mountain Standard Time
Yukon=Yukon Standard Time
Central America=Central America Standard Time
Central Time (US & Canada)=Central Standard Time
Easter Island=Easter Island Standard Time
Guadalajara, Mexico City, Monterrey=Central Standard Time (Mexico)
Saskatchewan=Canada Central Standard Time
Bogota, Lima, Quito, Rio Branco=SA Pacific Standard Time
Chetumal=Eastern Standard Time (Mexico)
Eastern Time (US & Canada)=Eastern Standard Time
Haiti=Haiti Standard Time
Havana=Cuba Standard Time
Indiana (East)=US Eastern Standard Time
Turks and Caicos=Turks And Caicos Standard Time
Asuncion=Paraguay Standard Time
Atlantic Time (Canada)=Atlantic Standard Time
Caracas=Venezuela Standard Time
Cuiaba=Central Brazilian Standard Time
Georgetown, La Paz, Manaus, San Juan=SA Western Standard Time
Santiago=Pacific SA Standard Time
Newfoundland=Newfoundland Standard Time
Araguaina=Tocantins Standard Time
Brasilia=E. South America Standard Time
Cayenne, Fortaleza=SA Eastern Standard Time
City of Buenos Aires=Argentina Standard Time
Greenland=Greenland Standard Time
Montevideo=Montevideo Standard Time
Punta Arenas=Magallanes Standard Time
Saint Pierre and Miquelon=Saint Pierre Standard Time
Salvador=Bahia Standard Time
Coordinated Universal Time-02=UTC-02
Azores=Azores Standard Time
Cabo Verde Is.=Cape Verde Standard Time
Dublin, Edinburgh, Lisbon, London=GMT Standard Time
Monrovia, Reykjavik=Greenwich Standard Time
Sao Tome=Sao Tome Standard Time
Casablanca=Morocco Standard Time
Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna=W. Europe Standard Time
Belgrade, Bratislava, Budapest, Ljubljana, Prague=Central Europe Standard Time
Brussels, Copenhagen, Madrid, Paris=Romance Standard Time
Sarajevo, Skopje, Warsaw, Zagreb=Central European Standard Time
West Central Africa=W. Central Africa Standard Time
Amman=Jordan Standard Time
Athens, Bucharest=GTB Standard Time
Beirut=Middle East Standard Time
Cairo=Egypt Standard Time
Chisinau=E. Europe Standard Time
Damascus=Syria Standard Time
Gaza, Hebron=West Bank Standard Time
Harare, Pretoria=South Africa Standard Time
Helsinki, Kyiv, Riga, Sofia, Tallinn, Vilnius=FLE Standard Time
Jerusalem=Israel Standard Time
Juba=South Sudan Standard Time
Kaliningrad=Kaliningrad Standard Time
Khartoum=Sudan Standard Time
Tripoli=Libya Standard Time
Windhoek=Namibia Standard Time
Baghdad=Arabic Standard Time
Istanbul=Turkey Standard Time
Kuwait, Riyadh=Arab Standard Time
Minsk=Belarus Standard Time
Moscow, St. Petersburg=Russian Standard Time
Moscow, St. Petersburg, Volgograd=Russian Standard Time
Nairobi=E. Africa Standard Time
Volgograd=Volgograd Standard Time
Tehran=Iran Standard Time
Abu Dhabi, Muscat=Arabian Standard Time
Astrakhan, Ulyanovsk=Astrakhan Standard Time
Baku=Azerbaijan Standard Time
Izhevsk, Samara=Russia Time Zone 3
Port Louis=Mauritius Standard Time
Saratov=Saratov Standard Time
Tbilisi=Georgian Standard Time
Yerevan=Caucasus Standard Time
Kabul=Afghanistan Standard Time
Ashgabat, Tashkent=West Asia Standard Time
Ekaterinburg=Ekaterinburg Standard Time
Islamabad, Karachi=Pakistan Standard Time
Qyzylorda=Qyzylorda Standard Time
Chennai, Kolkata, Mumbai, New Delhi=India Standard Time
Sri Jayawardenepura=Sri Lanka Standard Time
Kathmandu=Nepal Standard Time
Astana=Central Asia Standard Time
Bishkek=Central Asia Standard Time
Dhaka=Bangladesh Standard Time
Omsk=Omsk Standard Time
Yangon (Rangoon)=Myanmar Standard Time
Bangkok, Hanoi, Jakarta=SE Asia Standard Time
Barnaul, Gorno-Altaysk=Altai Standard Time
Hovd=W. Mongolia Standard Time
Krasnoyarsk=North Asia Standard Time
Novosibirsk=N. Central Asia Standard Time
Tomsk=Tomsk Standard Time
Beijing, Chongqing, Hong Kong, Urumqi=China Standard Time
Irkutsk=North Asia East Standard Time
Kuala Lumpur, Singapore=Singapore Standard Time
Perth=W. Australia Standard Time
Taipei=Taipei Standard Time
Ulaanbaatar=Ulaanbaatar Standard Time
Eucla=Aus Central W. Standard Time
Chita=Transbaikal Standard Time
Osaka, Sapporo, Tokyo=Tokyo Standard Time
Pyongyang=North Korea Standard Time
Seoul=Korea Standard Time
Yakutsk=Yakutsk Standard Time
Adelaide=Cen. Australia Standard Time
Darwin=AUS Central Standard Time
Brisbane=E. Australia Standard Time
Canberra, Melbourne, Sydney=AUS Eastern Standard Time
Guam, Port Moresby=West Pacific Standard Time
Hobart=Tasmania Standard Time
Vladivostok=Vladivostok Standard Time
Lord Howe Island=Lord Howe Standard Time
Bougainville Island=Bougainville Standard Time
Chokurdakh=Russia Time Zone 10
Magadan=Magadan Standard Time
Norfolk Island=Norfolk Standard Time
Sakhalin=Sakhalin Standard Time
Solomon Is., New Caledonia=Central Pacific Standard Time
Anadyr, Petropavlovsk-Kamchatsky=Russia Time Zone 11
Auckland, Wellington=New Zealand Standard Time
Coordinated Universal Time+12=UTC+12
Fiji=Fiji Standard Time
Chatham Islands=Chatham Islands Standard Time
Coordinated Universal Time+13=UTC+13
Nuku'alofa=Tonga Standard Time
Samoa=Samoa Standard Time
Kiritimati Island=Line Islands Standard Time
`;

/** IANA zones by these names, in lower case. */
export const IANA_OF_ZONE_NAME: ReadonlyMap<string, string> = new Map(
  [...STANDARD_NAMES.trim().split("\n"), ...SHOWN_NAMES.trim().split("\n")].map((line) => {
    const [name = "", id = ""] = line.split("=");
    const iana = IANA_OF_WINDOWS_ZONE.get(id.toLowerCase());
    if (iana === undefined) throw new Error(`'${id}' is not the id of a time zone`);
    return [name.toLowerCase(), iana];
  }),
);

/** Prefix of a name in the settings, such as `(UTC+01:00)`; ignored, because the name identifies the zone. */
const SHOWN_OFFSET = /^\((?:UTC|GMT)(?:[+-]\d{2}:\d{2})?\) /i;

/** @returns the IANA zone of a Windows id or of another name, case-insensitive; undefined when unknown */
export function ianaOf(name: string): string | undefined {
  const wanted = name.trim().toLowerCase();
  const shown = wanted.replace(SHOWN_OFFSET, "");
  return IANA_OF_WINDOWS_ZONE.get(wanted) ?? IANA_OF_ZONE_NAME.get(shown) ?? IANA_OF_WINDOWS_ZONE.get(shown);
}
