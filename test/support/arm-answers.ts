import type { ApiResponse } from "../../src/api/api-call.ts";

interface ArmErrorBody {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly additionalInfo: readonly { readonly info: { readonly code: string } }[];
  };
}

/** HTTP status, Azure's code and the vault's own code of an error. */
export function refusalOf({ status, body }: ApiResponse): readonly [number, string, string] {
  const { error } = body as ArmErrorBody;
  return [status, error.code, error.additionalInfo[0]?.info.code ?? ""];
}

export function messageOf({ body }: ApiResponse): string {
  return (body as ArmErrorBody).error.message;
}

/** The items of a page of a list. */
export function itemsOf<T = { readonly name: string }>({ body }: ApiResponse): readonly T[] {
  return (body as { readonly value: readonly T[] }).value;
}

export function nextLinkOf({ body }: ApiResponse): string | undefined {
  return (body as { readonly nextLink?: string }).nextLink;
}
