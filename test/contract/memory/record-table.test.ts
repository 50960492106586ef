import { MemoryRecords } from "../../support/memory-records.ts";
import { recordTableContract } from "../record-table.ts";

recordTableContract("memory", async () => new MemoryRecords());
