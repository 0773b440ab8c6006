/**
 * # Choice: which of two branches is the chain.
 *
 * Always true: more accumulated difficulty wins; among equals the block seen first, and of those that came together the
 * one with the lower ticket. Hashes are never compared: a seal's signature can be re-rolled without losing the win.
 * Whose own block it is does not matter.
 */
import { must } from '../base/assert.ts';
import { type Bytes, fromLittleEndian } from '../base/bytes.ts';
import type { TreeBlock } from './tree.ts';

export interface Weighed {
  readonly totalDifficulty: bigint;
  /** Which input brought it. */
  readonly arrival: bigint;
  readonly ticket: Bytes | undefined;
}

/** Whether `a` is preferred to `b`. */
export function isBetter(a: Weighed, b: Weighed): boolean {
  if (a.totalDifficulty !== b.totalDifficulty) return a.totalDifficulty > b.totalDifficulty;
  if (a.arrival !== b.arrival) return a.arrival < b.arrival;
  return ticketValue(a) < ticketValue(b);
}

/** The best of some blocks, of which there is at least one. */
export function bestOf(blocks: readonly TreeBlock[]): TreeBlock {
  let best: TreeBlock | undefined;
  for (const block of blocks) if (best === undefined || isBetter(block, best)) best = block;
  return must(best, 'the best of no blocks');
}

function ticketValue(block: Weighed): bigint {
  return block.ticket === undefined ? 0n : fromLittleEndian(block.ticket);
}
