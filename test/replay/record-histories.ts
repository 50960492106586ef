/**
 * @module
 * `npm run record:histories`, or `npm run record:histories -- --force backup-completed` to replace the history
 * of an older version.
 */
import { parseArgs } from "node:util";
import { CASES } from "./history-cases.ts";
import { HISTORIES } from "./recorded-history.ts";
import { recordHistories } from "./recorder.ts";

const { values } = parseArgs({ options: { force: { type: "string", multiple: true, default: [] } } });
await recordHistories({ folder: HISTORIES, cases: CASES, force: values.force, writeLine: (line) => console.log(line) });
