import { z } from "zod";

/** A place in the listing of a container: at the name, or just after it. */
export const ListingPosition = z.object({ name: z.string(), after: z.boolean() });

export type ListingPosition = Readonly<z.infer<typeof ListingPosition>>;

/** Where every listing begins. */
export const LISTING_START: ListingPosition = { name: "", after: false };
