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

/** The way from one head to another: newest retracted first, oldest enacted first. */
export interface TreeRoute {
  readonly retracted: readonly TreeBlock[];
  readonly enacted: readonly TreeBlock[];
}

/** What leaves and what joins the best chain when the head moves between two blocks of one tree. */
export function routeBetween(from: TreeBlock, to: TreeBlock): TreeRoute {
  const retracted: TreeBlock[] = [];
  const enacted: TreeBlock[] = [];
  let a: TreeBlock | undefined = from;
  let b: TreeBlock | undefined = to;
  while (a !== b) {
    const one: TreeBlock = must(a, 'two blocks of one tree');
    const other: TreeBlock = must(b, 'two blocks of one tree');
    if (one.number >= other.number) {
      retracted.push(one);
      a = one.parent;
    }
    if (other.number >= one.number) {
      enacted.push(other);
      b = other.parent;
    }
  }
  return { retracted, enacted: enacted.reverse() };
}

function ticketValue(block: Weighed): bigint {
  return block.ticket === undefined ? 0n : fromLittleEndian(block.ticket);
}
