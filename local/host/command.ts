/**
 * @module
 * The command that runs the embedded Functions host, with the options of `func start` that it has.
 */

import { readFile } from "node:fs/promises";
import { flushCompileCache } from "node:module";
import { parseArgs } from "node:util";
import type { Host } from "./core/host.ts";
import type { TlsFiles } from "./core/http-server.ts";
import { makeSelfSigned } from "./core/self-signed.ts";
import { HostStartError } from "./core/start-error.ts";
import type { HostClock } from "./protocol.ts";

const USAGE = `Runs a function app on this machine.

  npm run host -- [options]

  --script-root DIR   folder of the app (default: this one)
  --port N, -p N      port to listen on, 0 for any that is free (default: 7071)
  --useHttps          serve https, without --cert by a certificate made for this run
  --cert FILE         certificate, .pfx or PEM
  --key FILE          private key of a PEM certificate
  --password TEXT     password of the certificate or key
  --enableAuth        ask callers for keys, as Azure does
  --production        wait for polls, lease messages and ask for keys as in Azure
  --state DIR         folder for keys (default: .lakevault in the app's folder)
  --help, -h          this text`;

const OPTIONS = {
  "script-root": { type: "string", default: "." },
  port: { type: "string", short: "p" },
  useHttps: { type: "boolean", default: false },
  cert: { type: "string" },
  key: { type: "string" },
  password: { type: "string" },
  enableAuth: { type: "boolean", default: false },
  production: { type: "boolean", default: false },
  state: { type: "string" },
  help: { type: "boolean", short: "h", default: false },
} as const;

type Values = ReturnType<typeof readArguments>;

/**
 * Reads this process's arguments and runs the host by them, until it is interrupted.
 *
 * @param clock - the machine's by default
 */
export async function runCommand(clock?: HostClock): Promise<void> {
  try {
    const values = readArguments();
    if (values.help) console.log(USAGE);
    else await run(values, clock);
  } catch (error) {
    console.error(error instanceof HostStartError ? error.message : error);
    process.exitCode = 1;
  }
}

function readArguments() {
  try {
    return parseArgs({ options: OPTIONS }).values;
  } catch (error) {
    throw new HostStartError(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
  }
}

async function run(values: Values, clock: HostClock | undefined): Promise<void> {
  const port = readPort(values.port);
  const tls = values.useHttps ? await readTls(values) : undefined;
  const { startHost } = await import("./core/host.ts");
  const host = await startHost({
    scriptRoot: values["script-root"],
    ...(port !== undefined && { port }),
    ...(tls !== undefined && { tls }),
    enableAuth: values.enableAuth || values.production,
    production: values.production,
    ...(values.state !== undefined && { stateFolder: values.state }),
    environment: process.env,
    ...(clock !== undefined && { clock }),
    writeLine: (line) => console.log(line),
  });
  let isStopping = false;
  const stop = (): void => {
    if (isStopping) process.exit(130);
    isStopping = true;
    console.log("stopping; once more to end at once");
    void host.stop().then(() => process.exit(0));
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  show(host);
  setImmediate(flushCompileCache);
}

function show(host: Host): void {
  console.log("functions:");
  for (const { name, trigger, methods, url } of host.functions) {
    const kind = trigger.replace(/Trigger$/i, "");
    console.log(url === undefined ? `  ${name}: ${kind}` : `  ${name}: [${methods?.join(",")}] ${url}`);
  }
  if (host.keys !== undefined) {
    console.log("keys, to be sent as header x-functions-key or as ?code=:");
    console.log(`  of the host (admin): ${host.keys.master}`);
    console.log(`  of all functions: ${host.keys.host}`);
  }
  console.log(`listening on ${host.baseUrl}`);
}

function readPort(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new HostStartError(`--port must be a number from 0 to 65535, not '${text}'`);
  }
  return port;
}

async function readTls(values: Values): Promise<TlsFiles> {
  if (values.cert === undefined) return makeSelfSigned(new Date());
  const cert = await readFile(values.cert);
  const passphrase = values.password === undefined ? {} : { passphrase: values.password };
  if (/\.(pfx|p12)$/i.test(values.cert)) return { pfx: cert, ...passphrase };
  return { cert, key: values.key === undefined ? cert : await readFile(values.key), ...passphrase };
}
