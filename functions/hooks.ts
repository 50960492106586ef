import { app } from "@azure/functions";
import { makeQueues } from "../src/app/make-queues.ts";
import { beginToStop } from "../src/app/stopping.ts";
import { poisonOf, QUEUES } from "./queues/queues.ts";

app.hook.appTerminate(() => beginToStop());

app.hook.appStart(async () => {
  await makeQueues(QUEUES.flatMap((name) => [name, poisonOf(name)]));
});
