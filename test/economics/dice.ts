/** # Dice: the seed of a simulation says everything about it; and how sure its mean is. */

import { words } from '../base/dice.ts';

/** Numbers between 0 and 1, neither of them included. */
export function dice(seed: number): () => number {
  const word = words(seed);
  return () => (word() + 0.5) / 4_294_967_296;
}

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Standard error of the mean of independent values. */
export function standardError(values: readonly number[]): number {
  const middle = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - middle) ** 2, 0);
  return Math.sqrt(squares / (values.length * (values.length - 1)));
}
