import { z } from "zod";

/** A position in the listing of a container: at the name, or just after it. */
export const ListingPosition = z.object({ name: z.string(), after: z.boolean() });

export type ListingPosition = Readonly<z.infer<typeof ListingPosition>>;

/** Start of every listing. */
export const LISTING_START: ListingPosition = { name: "", after: false };
