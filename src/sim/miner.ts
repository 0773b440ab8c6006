/**
 * # Miner: finds as many tickets as its power is worth, and makes blocks of them.
 *
 * Always true: how long a find takes is drawn anew with every head: a lottery has no memory.
 */

import { must } from '../base/assert.ts';
import { Author, type AuthorInput } from '../consensus/author.ts';
import { childDifficulty, type Millis } from '../consensus/difficulty.ts';
import { parentBlock } from '../consensus/meta.ts';
import { NO_BOOST } from '../runtime/boost.ts';
import type { SimNode } from './node.ts';
import type { Authoring } from './parts.ts';
import type { WorkMember } from './work-chain.ts';
import type { WorkWorld } from './work-world.ts';
import { BLOCK_MS } from './world.ts';

/** Difficulty falls when blocks are late: a miner looks again after so long. */
const RECKON_MS = 6 * BLOCK_MS;

export class Miner implements Authoring {
  private readonly node: SimNode;
  private readonly world: WorkWorld;
  private machine: Author | undefined;
  /** Of its usual hash power. */
  private power = 1;
  private finding = 0;
  /** Steps rise on every branch: the count never goes back, whatever its node forgets. */
  private steps = 0;

  constructor(node: SimNode, world: WorkWorld) {
    this.node = node;
    this.world = world;
  }

  start(): void {
    const { store, pool } = this.node.machines;
    this.machine = new Author({ rules: this.world.rules, store, ready: () => pool.ready() });
  }

  setPower(factor: number): void {
    this.power = factor;
    if (this.node.isUp) this.head();
  }

  /** The head is another one. */
  head(): void {
    const { node, world } = this;
    const { dice } = node.place;
    const finding = ++this.finding;
    const { store } = node.machines;
    const parent = parentBlock(store, store.best.hash);
    const timestamp = Math.max(this.stamp, parent.timestamp + 1);
    const { difficulty } = childDifficulty(world.rules.difficulty, parent, timestamp);
    const power = this.power * (node.vice?.power?.(node, difficulty) ?? 1);
    if (power <= 0) {
      node.later(RECKON_MS, () => this.finding === finding && this.head());
      return;
    }
    const view = must(store.view(store.best.hash), 'the best block has its state');
    const boosted = (power * world.boostOf(view, this.member.account)) / NO_BOOST;
    const wait = dice.wait(world.waitMs(difficulty) / boosted);
    node.later(Math.min(wait, RECKON_MS), () => {
      if (this.finding !== finding) return;
      if (wait <= RECKON_MS) this.find();
      if (node.isUp) this.head();
    });
  }

  /** A ticket won: on the newest template, made now. */
  private find(): void {
    const { node } = this;
    const { world, author } = this;
    // While blocks are fetched, a template would build on a block that the network has left behind.
    if (node.machines.sync.isSyncing()) return;
    this.step({ type: 'miners', count: 1 });
    const template = author.template();
    if (template === undefined) return;
    this.step({ type: 'submit', request: 1, submission: world.submission(template, this.member, ++this.steps) });
    if (node.isUp) this.step({ type: 'miners', count: 0 });
  }

  /** What its blocks say of the time, as far as its clock and its honesty go. */
  private get stamp(): Millis {
    const { node } = this;
    return node.vice?.stamps?.(node, node.wall) ?? node.wall;
  }

  private get member(): WorkMember {
    return must(this.world.members[this.node.place.index], 'a node is of a member');
  }

  private get author(): Author {
    return must(this.machine, 'a miner starts with his node');
  }

  private step(input: AuthorInput): void {
    const { node } = this;
    node.guard(() => {
      for (const effect of this.author.step(node.now, input, this.stamp)) {
        if (effect.type === 'block') node.onChain({ type: 'block', block: effect.block });
        if (effect.type === 'invalid') node.onPool({ type: 'invalid', hashes: effect.hashes });
      }
    });
  }
}
