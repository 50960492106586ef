/** Something that keeps the app from its work. Told to whoever asks: no addresses, no values of settings. */
export interface HealthProblem {
  /** What does not work, such as `state tables`. */
  readonly part: string;
  /** A failure code, or what is wrong with the settings. */
  readonly reason: string;
}
