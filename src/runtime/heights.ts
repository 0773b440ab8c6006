/**
 * # Heights: which part of its own past a block calls settled.
 *
 * Always true: the answer follows from the block's number and the chain spec, never from a node's own finality
 * (DECISIONS.md section 1).
 */
import type { RuntimeSpec } from './spec.ts';

/** The height that the rules of block `number` call settled: never the block's own, whose ticket is not known yet. */
export function settledHeight(number: number, { settleDepth }: Pick<RuntimeSpec, 'settleDepth'>): number {
  return Math.max(0, number - Math.max(1, settleDepth));
}
