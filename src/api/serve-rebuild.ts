import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import { type ApiCall, type ApiResponse, ok, type VaultPath } from "./api-call.ts";
import { vaultArmId } from "./arm-ids.ts";

/** Max length of an accepted continuation; a rebuild's own are below 120 characters. */
const MAX_CONTINUATION_LENGTH = 200;

/**
 * Rebuilds the rows of a vault, also when the vault itself has none. One call takes a part of the time that a response
 * may take; while there is more to do, pass the response's `continuation` to the next call, as the parameter of that
 * name.
 *
 * Safe to run twice: existing rows are kept.
 */
export async function rebuildVault(call: ApiCall<VaultPath>): Promise<ApiResponse> {
  const continuation = call.query.get("continuation") ?? undefined;
  if (continuation !== undefined && continuation.length > MAX_CONTINUATION_LENGTH) {
    throw new VaultError("request/invalid", "the continuation is not from a rebuild");
  }
  const result = await call.deps.rebuild({
    vaultArmId: vaultArmId(call.params),
    ...present({ continuation }),
  });
  return ok(result);
}
