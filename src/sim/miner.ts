/**
 * # Miner: finds as many tickets as its power is worth, and makes blocks of them.
 *
 * Always true: how long a find takes is drawn anew with every head: a lottery has no memory.
 */
import type { AuthorInput } from '../consensus/author.ts';
import { childDifficulty } from '../consensus/difficulty.ts';
import { parentBlock } from '../consensus/meta.ts';
import type { SimNode } from './node.ts';
import { BLOCK_MS } from './world.ts';

/** Difficulty falls when blocks are late: a miner looks again after so long. */
const RECKON_MS = 6 * BLOCK_MS;

export class Miner {
  private readonly node: SimNode;
  /** Of its usual hash power. */
  private power = 1;
  private finding = 0;
  /** Steps rise on every branch: the count never goes back, whatever its node forgets. */
  private step = 0;

  constructor(node: SimNode) {
    this.node = node;
  }

  setPower(factor: number): void {
    this.power = factor;
    if (this.node.isUp) this.mine();
  }

  /** The head is another one. */
  mine(): void {
    const { node } = this;
    const { clock, dice, member, world } = node.place;
    const finding = ++this.finding;
    const { store } = node.machines;
    const parent = parentBlock(store, store.best.hash);
    const timestamp = Math.max(clock.now, parent.timestamp + 1);
    const { difficulty } = childDifficulty(world.rules.difficulty, parent, timestamp);
    const power = this.power * (node.vice?.power?.(node, difficulty) ?? 1);
    if (power <= 0) {
      node.later(RECKON_MS, () => this.finding === finding && this.mine());
      return;
    }
    const boosted = (power * member.boostPpm) / 1_000_000;
    const wait = dice.wait(world.waitMs(difficulty) / boosted);
    node.later(Math.min(wait, RECKON_MS), () => {
      if (this.finding !== finding) return;
      if (wait <= RECKON_MS) this.find();
      if (node.isUp) this.mine();
    });
  }

  /** A ticket won: on the newest template, made now. */
  private find(): void {
    const { node } = this;
    const { author, sync } = node.machines;
    // While blocks are fetched, a template would build on a block that the network has left behind.
    if (sync.isSyncing()) return;
    this.author({ type: 'miners', count: 1 });
    const template = author.template();
    if (template === undefined) return;
    const { world, member } = node.place;
    this.author({ type: 'submit', request: 1, submission: world.submission(template, member, ++this.step) });
    if (node.isUp) this.author({ type: 'miners', count: 0 });
  }

  private author(input: AuthorInput): void {
    const { node } = this;
    node.guard(() => {
      const now = node.vice?.stamps?.(node, node.now) ?? node.now;
      for (const effect of node.machines.author.step(now, input)) {
        if (effect.type === 'block') node.onChain({ type: 'block', block: effect.block });
        if (effect.type === 'invalid') node.onPool({ type: 'invalid', hashes: effect.hashes });
      }
    });
  }
}
