import { MemoryStore } from "./memory-store.ts";
import { describeStore } from "./testing/store-contract.ts";

describeStore("memory store", async () => new MemoryStore());
