/**
 * @module
 * The command that rebuilds the rows of vaults from the vault account, after the tables are lost. It uses the accounts
 * in the app's own settings, and needs no running app.
 */
import { parseArgs } from "node:util";
import { composeApp } from "../src/app/app.ts";
import { type Config, readConfig } from "../src/app/config.ts";
import { toFailure } from "../src/foundation/errors.ts";
import { present } from "../src/foundation/present.ts";
import {
  REBUILD_OUTCOMES,
  REBUILT_KINDS,
  type Rebuild,
  type RebuildFinding,
  type RebuildOutcome,
  type RebuildResult,
  type RebuiltKind,
} from "../src/rebuild/rebuild-request.ts";
import { readLocalSettings } from "./host/index.ts";

const USAGE = `Rebuilds the rows of vaults from the vault account, after the tables are lost.

  npm run rebuild -- [vault ARM id]

Without an id: all vaults that the vault account tells of. Rows that are there stay as they are, so the command can be run
again at any time. The settings are the app's: the environment, over Values of local.settings.json.`;

const VAULT_ID =
  /^\/subscriptions\/[^/]+\/resourceGroups\/[^/]+\/providers\/Microsoft\.DataProtection\/backupVaults\/[^/]+$/i;

export interface RebuildCommand {
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Folder of `local.settings.json`, if there is one. */
  readonly folder: string;
  readonly writeLine: (line: string) => void;
}

/** @returns the exit code: 0 when everything was rebuilt, 1 when something is unreadable, 2 when nothing was done */
export async function runRebuild(command: RebuildCommand): Promise<0 | 1 | 2> {
  const { writeLine } = command;
  const vaultArmId = readArguments(command.arguments);
  if (vaultArmId === "help") {
    writeLine(USAGE);
    return 2;
  }
  let config: Config;
  try {
    const { settings } = await readLocalSettings(command.folder, command.environment);
    config = readConfig(settings.toEnvironment());
  } catch (error) {
    writeLine(error instanceof Error ? error.message : String(error));
    return 2;
  }
  try {
    return await rebuildAll(composeApp(config, () => new Date()).rebuild, vaultArmId, writeLine);
  } catch (error) {
    // The message of an error without a code may quote a URL with a SAS.
    const { message, hint } = toFailure(error);
    writeLine(`the rebuild failed before it was done: ${message}${hint === undefined ? "" : `; ${hint}`}`);
    writeLine("fix this, then run it again: existing rows are kept");
    return 2;
  }
}

async function rebuildAll(
  rebuild: Rebuild,
  vaultArmId: string | undefined,
  writeLine: (line: string) => void,
): Promise<0 | 1> {
  const sums = new Map<string, number>();
  let continuation: string | undefined;
  do {
    const result: RebuildResult = await rebuild(present({ vaultArmId, continuation }));
    for (const finding of result.findings) writeLine(lineOf(finding));
    addUp(sums, result);
    continuation = result.continuation;
  } while (continuation !== undefined);
  for (const line of tableOf(sums)) writeLine(line);
  return REBUILT_KINDS.some((kind) => (sums.get(cell(kind, "unreadable")) ?? 0) > 0) ? 1 : 0;
}

/** @returns the vault's ARM id, undefined for all vaults, or `help` */
function readArguments(given: readonly string[]): string | undefined {
  try {
    const { positionals } = parseArgs({ args: [...given], allowPositionals: true });
    const [vaultArmId, ...others] = positionals;
    if (others.length > 0 || (vaultArmId !== undefined && !VAULT_ID.test(vaultArmId))) return "help";
    return vaultArmId;
  } catch {
    return "help";
  }
}

const KIND_NAMES: Readonly<Record<RebuiltKind, string>> = {
  vault: "vaults",
  policy: "policies",
  instance: "instances",
  schedule: "schedules",
  recoveryPoint: "recovery points",
};
const OUTCOME_NAMES: Readonly<Record<RebuildOutcome, string>> = {
  made: "made",
  kept: "kept",
  removed: "removed",
  leftOut: "left out",
  unreadable: "unreadable",
};
const WIDTH = 12;

function cell(kind: RebuiltKind, outcome: RebuildOutcome): string {
  return `${kind} ${outcome}`;
}

function addUp(sums: Map<string, number>, { counts }: RebuildResult): void {
  for (const kind of REBUILT_KINDS) {
    for (const outcome of REBUILD_OUTCOMES) {
      const at = cell(kind, outcome);
      sums.set(at, (sums.get(at) ?? 0) + counts[kind][outcome]);
    }
  }
}

function lineOf({ outcome, name, because }: RebuildFinding): string {
  return `${OUTCOME_NAMES[outcome].padEnd(WIDTH)}${name}${because === undefined ? "" : `: ${because}`}`;
}

function* tableOf(sums: ReadonlyMap<string, number>): Generator<string> {
  const row = (name: string, cells: readonly string[]) =>
    `${name.padEnd(16)}${cells.map((text) => text.padStart(WIDTH)).join("")}`;
  yield "";
  yield row("", Object.values(OUTCOME_NAMES));
  for (const kind of REBUILT_KINDS) {
    const numbers = REBUILD_OUTCOMES.map((outcome) => String(sums.get(cell(kind, outcome)) ?? 0));
    yield row(KIND_NAMES[kind], numbers);
  }
}
