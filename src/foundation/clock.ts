/** Tells the time; a parameter everywhere below `src/app`, so that tests and replays can move it. */
export type Clock = () => Date;
