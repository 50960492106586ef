import type { TokenCredential } from "@azure/identity";

/**
 * The app's identity: the user-assigned one with this client id, or whatever Azure finds.
 *
 * The library behind it is loaded with the first token, because it takes longer to load than all else together and
 * nobody needs it outside Azure.
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
