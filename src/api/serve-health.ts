import { type ApiCall, type ApiResponse, ok } from "./api-call.ts";
import type { HealthProblem } from "./health-problem.ts";

/** Reports whether the app works: 200, or 503 with the problems. */
export async function getHealth({ deps }: ApiCall): Promise<ApiResponse> {
  const problems = await deps.findProblems();
  if (problems.length === 0) return ok({ status: "ok" });
  return unhealthy(problems);
}

export function unhealthy(problems: readonly HealthProblem[]): ApiResponse {
  return { status: 503, headers: {}, body: { status: "unhealthy", problems } };
}
