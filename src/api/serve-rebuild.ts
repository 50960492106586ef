import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import { type ApiCall, type ApiResponse, ok, type VaultPath } from "./api-call.ts";
import { vaultArmId } from "./arm-ids.ts";

/** Longest continuation that is looked at; a rebuild's own are below 120 characters. */
const MAX_CONTINUATION_LENGTH = 200;

/**
 * Makes the rows of a vault again, also when the vault itself has none. One call works for a part of the time that an answer
 * may take; while there is more to do, the answer's `continuation` is to be given to the next, as the parameter of that name.
 *
 * Safe to run twice: what is there is kept.
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
