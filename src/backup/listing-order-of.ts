import type { DatasourceKind } from "../vault/instance-document.ts";
import type { ListingOrder } from "../vault/listing-order.ts";

/**
 * The order in which a datasource lists names. HNS accounts list directory by directory, so `/` comes before all else.
 */
export function listingOrderOf(kind: DatasourceKind): ListingOrder {
  switch (kind) {
    case "blobServices":
      return "utf-16";
    case "adlsBlobServices":
      return "path";
  }
}
