import { TableClient } from "@azure/data-tables";
import { afterAll, beforeAll } from "vitest";
import { type Azurite, startAzurite } from "../../../local/azurite.ts";
import { TableRecords } from "../../../src/azure/table-records.ts";
import { recordTableContract, SampleRecord } from "../record-table.ts";

let azurite: Azurite;
let opened = 0;

beforeAll(async () => {
  azurite = await startAzurite({ accounts: ["state"] });
});
afterAll(() => azurite.stop());

recordTableContract("Table Storage", async () => {
  const { connectionString } = azurite.account("state");
  const options = { allowInsecureConnection: true };
  return new TableRecords(TableClient.fromConnectionString(connectionString, `T${++opened}xx`, options), SampleRecord);
});
