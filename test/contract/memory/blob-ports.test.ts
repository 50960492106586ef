import { MemoryAccount, MemoryDatasource, MemoryTarget, MemoryVault } from "../../support/memory-account.ts";
import { blobPortsContract } from "../blob-ports.ts";

blobPortsContract("memory", async () => {
  const source = new MemoryAccount();
  source.createContainer("raw");
  const vault = new MemoryVault(source);
  return {
    datasource: new MemoryDatasource(source),
    vault,
    target: new MemoryTarget(new MemoryAccount(), vault),
    container: "raw",
    free: "restored",
    write: async (name, content, tags) => {
      source.write("raw", name, content, tags === undefined ? {} : { tags });
    },
    remove: async (name) => {
      source.container("raw").delete(name);
    },
  };
});
