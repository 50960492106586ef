import { MemoryProtectionFiles } from "../../support/memory-protection-files.ts";
import { protectionFilesContract } from "../protection-files.ts";

protectionFilesContract("memory", async () => {
  const files = new MemoryProtectionFiles();
  return {
    files,
    account: files.vaultAccount,
    name: "vault1",
    write: async (container, path, content) => files.write(container, path, new TextEncoder().encode(content)),
  };
});
