import type { Estate } from "./estate.ts";

/** The master key of a host that requires keys. */
const KEY = process.env["LAKEVAULT_E2E_KEY"];

/** Runs a timer function through the host's admin API. */
export async function runTimer({ baseUrl }: Estate, name: string): Promise<void> {
  const response = await fetch(`${baseUrl}/admin/functions/${name}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(KEY === undefined ? {} : { "x-functions-key": KEY }) },
    body: "{}",
  });
  if (response.status !== 202) throw new Error(`${name} could not be run: ${response.status}`);
}
