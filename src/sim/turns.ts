/**
 * # Turns: takes a node's turns at authoring, as src/node/slots-link.ts does.
 *
 * Always true: a slot is on disk before its block leaves; while blocks are fetched own slots pass. A node that seals
 * twice does so with a second machine that knows nothing of the first.
 */
import { must } from '../base/assert.ts';
import type { Millis } from '../consensus/difficulty.ts';
import {
  type AuthoringKey,
  LAST_SEALED,
  SlotsAuthor,
  type SlotsAuthorEffect,
  type SlotsAuthorParts,
} from '../consensus/slots-author.ts';
import { Slot } from '../primitives/slots.ts';
import type { SimNode } from './node.ts';
import type { Authoring } from './parts.ts';
import { BLOCK_MS } from './world.ts';

/** While own slots pass, so often it is looked whether that is over. */
const PASSING_MS = 500;

export class Turns implements Authoring {
  private readonly node: SimNode;
  private readonly rules: SlotsAuthorParts['rules'];
  private readonly keys: readonly AuthoringKey[];
  private machine: SlotsAuthor | undefined;
  private wakes: Millis | undefined;

  constructor(node: SimNode, rules: SlotsAuthorParts['rules'], keys: readonly AuthoringKey[]) {
    this.node = node;
    this.rules = rules;
    this.keys = keys;
  }

  start(): void {
    const { store } = this.node.machines;
    const last = store.aux(LAST_SEALED);
    this.machine = this.machineAt(this.now, last === undefined ? undefined : Slot.dec(last));
    this.wakes = undefined;
  }

  head(): void {
    this.step('head');
  }

  /** Turns are not won by power. */
  setPower(): void {}

  private get now(): Millis {
    const { node } = this;
    return node.vice?.stamps?.(node, node.wall) ?? node.wall;
  }

  private machineAt(now: Millis, lastSealed: number | undefined): SlotsAuthor {
    const { store, pool } = this.node.machines;
    return new SlotsAuthor(now, { rules: this.rules, store, keys: this.keys, ready: () => pool.ready(), lastSealed });
  }

  private step(type: 'head' | 'tick'): void {
    const { node } = this;
    const machine = must(this.machine, 'turns begin with their node');
    node.guard(() => {
      if (!node.machines.sync.isSyncing()) {
        const twin = node.vice?.sealsTwice === true ? this.machineAt(this.now - BLOCK_MS, undefined) : undefined;
        this.perform(machine.step(this.now, { type }));
        this.perform(twin?.step(this.now + 1, { type }) ?? []);
      }
      this.wake();
    });
  }

  private perform(effects: readonly SlotsAuthorEffect[]): void {
    const { node } = this;
    for (const effect of effects) {
      if (effect.type === 'persist') {
        node.machines.store.putAux(LAST_SEALED, Slot.enc(effect.slot));
        node.write(true);
      } else if (effect.type === 'block') {
        node.onceDurable(() => node.onChain({ type: 'block', block: effect.block }));
      } else {
        node.onPool({ type: 'invalid', hashes: effect.hashes });
      }
    }
  }

  private wake(): void {
    const { node } = this;
    const at = this.machine?.wakeAt();
    if (at === undefined || at === this.wakes) return;
    this.wakes = at;
    const least = node.machines.sync.isSyncing() ? PASSING_MS : 1;
    node.later(Math.max(least, at - this.now), () => {
      if (this.wakes !== at) return;
      this.wakes = undefined;
      this.step('tick');
    });
  }
}
