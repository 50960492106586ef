/** Something that prevents the app from working. Public: no addresses, no values of settings. */
export interface HealthProblem {
  /** The failing part, such as `state tables`. */
  readonly part: string;
  /** A failure code, or the problem with the settings. */
  readonly reason: string;
}
