import { afterAll } from "vitest";
import { startAzurite } from "../../azurite.ts";
import { TableStore } from "./table-store.ts";
import { describeStore } from "./testing/store-contract.ts";

const azurite = await startAzurite({ accounts: ["hub"] });
afterAll(() => azurite.stop());

describeStore("table store", async () => {
  const store = new TableStore(azurite.account("hub").connectionString, "StoreTests");
  await store.open();
  return store;
});
