import { MemoryAccount, MemoryVault } from "../../support/memory-account.ts";
import { MemoryScrubVault } from "../../support/scrub-vault.ts";
import { scrubVaultContract } from "../scrub-vault.ts";

scrubVaultContract("memory", async () => new MemoryScrubVault(new MemoryVault(new MemoryAccount()), 3));
