/** # Dice: the same draws for the same seed, so that a failing case can be repeated. */

/** 32 bits a draw (mulberry32). */
export function words(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
}

/** Integers below `sides`. */
export function dice(seed: number): (sides: number) => number {
  const word = words(seed);
  return (sides) => word() % sides;
}
