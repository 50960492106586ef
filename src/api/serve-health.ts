import { type ApiCall, type ApiResponse, ok } from "./api-call.ts";

/** Something that keeps the app from its work. Told to whoever asks: no addresses, no values of settings. */
export interface HealthProblem {
  /** What does not work, such as `state tables`. */
  readonly part: string;
  /** A failure code, or what is wrong with the settings. */
  readonly reason: string;
}

/** Tells whether the app can work: 200, or 503 with what is wrong. */
export async function getHealth({ deps }: ApiCall): Promise<ApiResponse> {
  const problems = await deps.findProblems();
  if (problems.length === 0) return ok({ status: "ok" });
  return unhealthy(problems);
}

export function unhealthy(problems: readonly HealthProblem[]): ApiResponse {
  return { status: 503, headers: {}, body: { status: "unhealthy", problems } };
}
