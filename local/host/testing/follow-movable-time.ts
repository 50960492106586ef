/**
 * @module
 * Preloaded by each process that is to follow a test's time, see `movable-time.ts`.
 */
import { followMovableTime } from "./movable-time.ts";

followMovableTime(import.meta.url);
