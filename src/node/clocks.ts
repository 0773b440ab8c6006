/**
 * # Clocks: one that only runs forward, for what waits, and the one on the wall, for what blocks say.
 *
 * Always true: `steady` never goes back and never leaps, whatever people or a time server do to the clock on the wall,
 * so that no vote, question or template waits for a time that has gone or is far off.
 */
import type { Millis } from '../consensus/difficulty.ts';

export interface Clocks {
  /** Only differences count. */
  steady(): Millis;
  /** Unix time. */
  wall(): Millis;
}

export const CLOCKS: Clocks = {
  steady: () => Math.floor(performance.timeOrigin + performance.now()),
  wall: () => Date.now(),
};
