/** Returns the current time; a parameter everywhere below `src/app`, so that tests and replays can control it. */
export type Clock = () => Date;
