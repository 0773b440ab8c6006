/** # Slots node: a store with the machine of a slots chain on top of it, and everything that the machine ever said. */
import assert from 'node:assert/strict';
import { Chain, type ChainEffect } from '../../src/consensus/chain.ts';
import { DepthFinality } from '../../src/consensus/finality/depth.ts';
import type { ReceivedBlock } from '../../src/consensus/import.ts';
import type { DurableStore } from '../../src/state/store.ts';
import { type SlotBlock, type SlotBlockOptions, type SlotsChain, START } from './slots-chain.ts';
import { refusalOf } from './world.ts';

export class SlotsNode {
  readonly of: SlotsChain;
  readonly store: DurableStore;
  readonly chain: Chain;
  /** Follows the blocks that are given. */
  now = START;

  constructor(of: SlotsChain, finalityDepth = 1_000, store = of.newStore()) {
    this.of = of;
    this.store = store;
    this.chain = new Chain({ rules: of.rules.consensus, store, finality: new DepthFinality(finalityDepth) });
  }

  /** Hands over a block and lets the machine work until it rests. */
  give(block: ReceivedBlock): ChainEffect[] {
    const out = [...this.chain.step(this.now, { type: 'block', block })];
    while (this.chain.wakeAt() === 0) out.push(...this.chain.step(this.now, { type: 'tick' }));
    return out;
  }

  /** A block on top of one of this node's. */
  make(options: SlotBlockOptions = {}, parent = this.store.best.hash): SlotBlock {
    return this.of.make(options, parent, this.store);
  }

  /** Imports new blocks, one on top of the other, each in its time. */
  grow(count: number, options: SlotBlockOptions = {}, from = this.store.best.hash): SlotBlock[] {
    const out: SlotBlock[] = [];
    for (let parent = from; out.length < count; ) {
      const { slot, ...later } = options;
      const block = this.make(out.length === 0 ? options : later, parent);
      this.now = Math.max(this.now, block.timestamp);
      assert.equal(refusalOf(this.give(block)), undefined);
      out.push(block);
      parent = block.hash;
    }
    return out;
  }
}
