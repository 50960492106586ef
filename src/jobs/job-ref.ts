import { z } from "zod";

/** Reference to a job in messages, activities and events: ids only. */
export const JobRef = z.object({ vault: z.string(), job: z.string() });

export type JobRef = Readonly<z.infer<typeof JobRef>>;
