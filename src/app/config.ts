/**
 * @module
 * The app's settings. `local.settings.sample.json` and `docs/` document names and meanings for operators.
 */

import { z } from "zod";
import { ACCESS_MODES, type AccessSettings } from "../access/decide-access.ts";
import { DEFAULT_MAX_CONTAINERS, DEFAULT_RETRY_AFTER_SECONDS } from "../api/api-call.ts";
import { PLAN_SETTINGS } from "../backup/cut-container.ts";
import { RANGE_SETTINGS } from "../backup/range-settings.ts";
import { DAY_MS } from "../foundation/durations.ts";
import { present } from "../foundation/present.ts";
import { SCRUB_SETTINGS, type ScrubSettings } from "../scrub/scrub-settings.ts";
import { SEGMENT_ENTRIES } from "../vault/segment.ts";

/** An account by connection string, or by the address of a service that the app's identity has access to. */
export type AccountSetting =
  | { readonly kind: "key"; readonly connectionString: string }
  | { readonly kind: "identity"; readonly serviceUri: string };

export interface Config {
  /** The vault account's blobs. */
  readonly vault: AccountSetting;
  /** The tables of the app's state. */
  readonly state: AccountSetting;
  /** The queues of the same account; absent when their address is unknown. */
  readonly stateQueues?: AccountSetting;
  /** Accounts outside Azure by name; absent: all accounts of the cloud. */
  readonly accounts: ReadonlyMap<string, string>;
  readonly endpointSuffix: string;
  /** Host name under which the app is reachable. */
  readonly hostName?: string;
  /** Client id of a user-assigned identity. */
  readonly clientId?: string;
  /** Access tier of objects in the vault. */
  readonly accessTier: string;
  readonly access: AccessSettings;
  readonly retryAfterSeconds: number;
  readonly maxContainers: number;
  /** Max concurrent copies of one process, per source or target account. */
  readonly copyWidth: number;
  /** Planned number of names in a range. */
  readonly rangeNames: number;
  /** Number of entries in a new segment. */
  readonly segmentEntries: number;
  readonly pieceBudgetMs: number;
  readonly scrub: ScrubSettings;
}

/** Each concurrent copy takes about 100 KiB of memory; small ones take about 20 ms. */
const DEFAULT_COPY_WIDTH = 64;

const ACCOUNT_PREFIX = "VaultAccount__";

const ConnectionString = z
  .string()
  .refine((text) => /AccountName=/i.test(text) && /AccountKey=/i.test(text), "is not a connection string with a key");
const ServiceUri = z.url({ protocol: /^https$/, error: "is not an https URL" });

const number = (min: number, max: number, byDefault: number) =>
  z.coerce
    .number<string>({ error: "is not a number" })
    .int("is not a whole number")
    .min(min, `is below ${min}`)
    .max(max, `is above ${max}`)
    .default(byDefault);

const Settings = z.object({
  VaultStorage: ConnectionString.optional(),
  VaultStorage__blobServiceUri: ServiceUri.optional(),
  VaultState: ConnectionString.optional(),
  VaultState__tableServiceUri: ServiceUri.optional(),
  VaultState__queueServiceUri: ServiceUri.optional(),
  VaultEndpointSuffix: z
    .string()
    .regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/, "is not the suffix of a host name, such as core.windows.net")
    .default("core.windows.net"),
  VaultClientId: z.guid({ error: "is not a client id" }).optional(),
  VaultAccessTier: z.enum(["Hot", "Cool", "Cold"], { error: "is none of Hot, Cool and Cold" }).default("Cool"),
  VaultAccess: z.enum(ACCESS_MODES, { error: `is none of ${ACCESS_MODES.join(", ")}` }).optional(),
  VaultRetryAfterSeconds: number(0, 3_600, DEFAULT_RETRY_AFTER_SECONDS),
  VaultMaxContainers: number(1, 10_000, DEFAULT_MAX_CONTAINERS),
  VaultCopyWidth: number(1, 512, DEFAULT_COPY_WIDTH),
  VaultRangeNames: number(1_000, 1_000_000, PLAN_SETTINGS.rangeNames),
  VaultSegmentEntries: number(1_000, 50_000, SEGMENT_ENTRIES),
  VaultPieceBudgetSeconds: number(1, 480, RANGE_SETTINGS.budgetMs / 1_000),
  WEBSITE_HOSTNAME: z.string().optional(),
  VaultScrubDays: number(1, 3_650, SCRUB_SETTINGS.everyDays),
  VaultScrubRereadPercent: number(0, 100, 100 * SCRUB_SETTINGS.rereadShare),
  VaultScrubSafeAgeDays: number(2, 3_650, SCRUB_SETTINGS.safeAgeMs / DAY_MS),
});

/** Former names of settings, still accepted. */
const RENAMED_SETTINGS = [["VaultMostContainers", "VaultMaxContainers"]] as const;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the settings.
 *
 * @throws Error that lists every wrong setting, without values, because some are secrets
 */
export function readConfig(environment: Environment): Config {
  // In Azure a cleared setting is an empty text.
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ""),
  );
  const problems: string[] = [];
  for (const [before, name] of RENAMED_SETTINGS) given[name] ??= given[before];
  const parsed = Settings.safeParse(given);
  if (!parsed.success) {
    problems.push(...parsed.error.issues.map(({ path, message }) => `${path.join(".")} ${message}`));
  }
  const accounts = accountsOf(given, problems);
  const vault = accountSetting(given, "VaultStorage", "blobServiceUri", problems);
  const state = accountSetting(given, "VaultState", "tableServiceUri", problems);
  if (!parsed.success || vault === undefined || state === undefined || problems.length > 0) {
    throw new Error(`the app's settings are wrong: ${problems.join("; ")}`);
  }
  const s = parsed.data;
  const stateQueues = queueSetting(state, s.VaultState__queueServiceUri);
  return {
    vault,
    state,
    ...present({ stateQueues }),
    accounts,
    endpointSuffix: s.VaultEndpointSuffix,
    ...present({ hostName: s.WEBSITE_HOSTNAME, clientId: s.VaultClientId }),
    accessTier: s.VaultAccessTier,
    access: { runsInAzure: runsInAzure(given), ...present({ mode: s.VaultAccess }) },
    retryAfterSeconds: s.VaultRetryAfterSeconds,
    maxContainers: s.VaultMaxContainers,
    copyWidth: s.VaultCopyWidth,
    rangeNames: s.VaultRangeNames,
    segmentEntries: s.VaultSegmentEntries,
    pieceBudgetMs: s.VaultPieceBudgetSeconds * 1_000,
    scrub: {
      ...SCRUB_SETTINGS,
      budgetMs: s.VaultPieceBudgetSeconds * 1_000,
      everyDays: s.VaultScrubDays,
      rereadShare: s.VaultScrubRereadPercent / 100,
      safeAgeMs: s.VaultScrubSafeAgeDays * DAY_MS,
    },
  };
}

function accountSetting(
  given: Environment,
  name: string,
  service: string,
  problems: string[],
): AccountSetting | undefined {
  const connectionString = given[name];
  const serviceUri = given[`${name}__${service}`];
  if (connectionString !== undefined && serviceUri === undefined) return { kind: "key", connectionString };
  if (serviceUri !== undefined && connectionString === undefined) return { kind: "identity", serviceUri };
  const number = serviceUri === undefined ? "neither" : "both";
  problems.push(`${name} and ${name}__${service}: ${number} is set, and exactly one must be`);
  return undefined;
}

/** The host finds the queues by `VaultState__queueServiceUri`, or by its own connection string. */
function queueSetting(state: AccountSetting, queueServiceUri: string | undefined): AccountSetting | undefined {
  if (state.kind === "key") return state;
  if (queueServiceUri !== undefined) return { kind: "identity", serviceUri: queueServiceUri };
  const beside = state.serviceUri.replace(/^(https:\/\/[^./]+)\.table\./, "$1.queue.");
  return beside === state.serviceUri ? undefined : { kind: "identity", serviceUri: beside };
}

function accountsOf(given: Environment, problems: string[]): Map<string, string> {
  const accounts = new Map<string, string>();
  for (const [setting, value] of Object.entries(given)) {
    if (!setting.startsWith(ACCOUNT_PREFIX)) continue;
    const parsed = ConnectionString.safeParse(value);
    if (parsed.success) accounts.set(setting.slice(ACCOUNT_PREFIX.length).toLowerCase(), parsed.data);
    else problems.push(`${setting} is not a connection string with a key`);
  }
  return accounts;
}

/**
 * Every plan of Azure sets one of these. `CONTAINER_NAME`, which some plans set, is not used: dev containers have it
 * too.
 *
 * @see https://learn.microsoft.com/azure/app-service/reference-app-settings
 */
function runsInAzure(given: Environment): boolean {
  return ["WEBSITE_INSTANCE_ID", "WEBSITE_SITE_NAME"].some((name) => given[name] !== undefined);
}
