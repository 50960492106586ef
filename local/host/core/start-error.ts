/** A reason for which the host does not start; its message says what to change, so it is shown without a stack. */
export class HostStartError extends Error {
  override readonly name = "HostStartError";

  /** Joins all that was found wrong, one line each. */
  static of(problems: readonly string[]): HostStartError {
    return new HostStartError(problems.join("\n"));
  }
}

/** The way out when an app needs more than this host offers. */
export const USE_CORE_TOOLS = "use Azure Functions Core Tools (func start)";
