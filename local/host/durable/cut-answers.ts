/**
 * @module
 * Answers that break off in their body. The SDKs try again what gets no answer, but not this: it is a `PARSE_ERROR` to
 * them.
 */
import { RestError, type TableServiceClientOptions } from "@azure/data-tables";

const MAX_ATTEMPTS = 5;

/** "Error reading response as text: aborted" */
export function isCutAnswer(error: unknown): boolean {
  return error instanceof RestError && error.code === RestError.PARSE_ERROR && error.statusCode === undefined;
}

type AdditionalPolicy = NonNullable<TableServiceClientOptions["additionalPolicies"]>[number];

/** For clients of tables: asks again for what was only read, or made where it is missing. */
export const READ_AGAIN_WHEN_CUT: AdditionalPolicy = {
  position: "perRetry",
  policy: {
    name: "readAgainWhenCut",
    sendRequest: async (request, next) => {
      const isSafe = request.method === "GET" || new URL(request.url).pathname.endsWith("/Tables");
      for (let tried = 1; ; tried++) {
        try {
          return await next(request);
        } catch (error) {
          if (!isSafe || !isCutAnswer(error) || tried === MAX_ATTEMPTS) throw error;
        }
      }
    },
  },
};
