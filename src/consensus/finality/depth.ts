/**
 * # Depth: a block is final once enough blocks stand on it. For chains of one node, as dev: it holds while no partition
 * outlasts that depth, and live presets may not use it.
 */
import { assert } from '../../base/assert.ts';
import type { Millis } from '../difficulty.ts';
import type { Finality, FinalityEffect, FinalityInput, FinalityView } from './finality.ts';

export class DepthFinality implements Finality {
  private readonly depth: number;

  constructor(depth: number) {
    assert(Number.isSafeInteger(depth) && depth >= 1, 'a depth of at least one block');
    this.depth = depth;
  }

  step(_now: Millis, input: FinalityInput, view: FinalityView): readonly FinalityEffect[] {
    if (input.type !== 'head') return [];
    const number = view.best.number - this.depth;
    if (number <= view.finalized.number) return [];
    const block = view.ancestor(view.best.hash, number);
    return block === undefined ? [] : [{ type: 'finalize', block }];
  }

  wakeAt(): undefined {
    return undefined;
  }
}
