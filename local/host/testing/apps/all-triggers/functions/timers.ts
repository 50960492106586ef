import { app, output } from "@azure/functions";

app.timer("tick", {
  schedule: "%Tick%",
  return: output.storageQueue({ queueName: "ticks", connection: "VaultStorage" }),
  handler: async (timer) => ({ isPastDue: timer.isPastDue }),
});
