import { app } from "@azure/functions";
import { beginToStop } from "../src/app/stopping.ts";

app.hook.appTerminate(() => beginToStop());
