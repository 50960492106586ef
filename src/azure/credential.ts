import type { TokenCredential } from "@azure/identity";

/**
 * The app's identity: the user-assigned one with this client id, or the default Azure credential.
 *
 * Its library is loaded with the first token, because loading it takes longer than everything else together, and it is
 * not needed outside Azure.
 */
export function appCredential(clientId: string | undefined): TokenCredential {
  let made: Promise<TokenCredential> | undefined;
  const make = async (): Promise<TokenCredential> => {
    const { DefaultAzureCredential, ManagedIdentityCredential } = await import("@azure/identity");
    return clientId === undefined ? new DefaultAzureCredential() : new ManagedIdentityCredential({ clientId });
  };
  return {
    getToken: async (scopes, options) => {
      made ??= make();
      return (await made).getToken(scopes, options);
    },
  };
}
