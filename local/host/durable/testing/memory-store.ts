/** A store that holds everything in memory. */
export { MemoryStore } from "../memory-store.ts";
