/**
 * # Slots author: seals a block in each own slot, and never two.
 *
 * Always true: the last sealed slot is persisted before its block leaves, and slots only go up, so that neither a
 * restart nor a clock that was set back makes it seal twice. The slot in which it starts is never its own: a memory
 * that was lost, or restored from an old copy, cannot know of a block in it. A slot that passed is not made up for.
 */
import { must } from '../base/assert.ts';
import { type Bytes, equal } from '../base/bytes.ts';
import { finish } from '../base/work.ts';
import type { VrfSignature } from '../crypto/vrf.ts';
import { Header } from '../primitives/header.ts';
import { slotItem, slotPreHash, slotSealMessage, slotVrfMessage, withSlotSeal } from '../primitives/slots.ts';
import { type SlotAuthority, slotAt, turnsOf } from '../runtime/slots.ts';
import type { ChainStore } from '../state/store.ts';
import type { StateTree } from '../state/tree.ts';
import type { Millis } from './difficulty.ts';
import { filling, type Ready } from './fill.ts';
import type { ReceivedBlock } from './import.ts';
import { type ParentBlock, parentBlock } from './meta.ts';
import type { ConsensusRules, SlotRules } from './rules.ts';

/** The store's name of the last slot that was sealed here. */
export const LAST_SEALED = 'slots/sealed';

/** An sr25519 key that authors. */
export interface AuthoringKey {
  readonly publicKey: Bytes;
  sign(message: Bytes): Bytes;
  vrf(message: Bytes): VrfSignature;
}

export interface SlotsAuthorParts {
  readonly rules: ConsensusRules & { readonly slots: SlotRules };
  readonly store: ChainStore;
  readonly keys: readonly AuthoringKey[];
  ready(): Ready;
  /** The last slot that was sealed, if that is known. */
  readonly lastSealed: number | undefined;
}

export type SlotsAuthorInput = { readonly type: 'head' } | { readonly type: 'tick' };

export type SlotsAuthorEffect =
  /** Must be on disk before the effects after it are performed. */
  | { readonly type: 'persist'; readonly slot: number }
  /** A complete block: to be imported like any other. */
  | { readonly type: 'block'; readonly block: ReceivedBlock }
  /** Extrinsics that turned out invalid on the best block: for the pool to look at again. */
  | { readonly type: 'invalid'; readonly hashes: readonly Bytes[] };

/** In sets of authorities: so far ahead an own slot is looked for, and no longer waited without looking again. */
const ROUNDS_AHEAD = 2;

/** An own slot. */
interface Turn {
  readonly authority: SlotAuthority;
  readonly key: AuthoringKey;
  readonly randomness: Bytes;
}

export class SlotsAuthor {
  private readonly parts: SlotsAuthorParts;
  private readonly slotMs: Millis;
  private last: number;
  private wake: Millis | undefined;

  constructor(now: Millis, parts: SlotsAuthorParts) {
    this.parts = parts;
    this.slotMs = parts.rules.difficulty.blockTimeMs;
    this.last = Math.max(slotAt(now, this.slotMs), parts.lastSealed ?? 0);
    this.plan(now);
  }

  /** When the next own slot begins; the best block may change it. */
  wakeAt(): Millis | undefined {
    return this.wake;
  }

  step(now: Millis, _input: SlotsAuthorInput): readonly SlotsAuthorEffect[] {
    const out = this.seal(now);
    this.plan(now);
    return out;
  }

  private seal(now: Millis): SlotsAuthorEffect[] {
    const { rules } = this.parts;
    const slot = slotAt(now, this.slotMs);
    const { parent, view } = this.best();
    if (slot <= this.last || slot <= slotAt(parent.timestamp, this.slotMs)) return [];
    const turn = this.turnIn(view, slot);
    if (turn === undefined) return [];
    const { authority, key, randomness } = turn;
    const drawn = key.vrf(slotVrfMessage(randomness, slot));
    const preDigest = [slotItem({ author: authority.account, slot, ...drawn })];
    const builder = rules.runtime.builder(view, parent.info, BigInt(now), { preDigest });
    // In one piece: a slot is short, and the block must leave in it.
    const invalid = finish(filling(builder, this.parts.ready()));
    const { header, extrinsics, changes, tree } = finish(builder.finishing());
    const signature = key.sign(slotSealMessage(rules.slots.genesis, slotPreHash(header)));
    const block: ReceivedBlock = {
      header: Header.enc(withSlotSeal(header, signature)),
      opening: new Uint8Array(0),
      extrinsics,
      origin: { type: 'own', execution: { changes, tree } },
    };
    this.last = slot;
    const rest: SlotsAuthorEffect[] = invalid.length > 0 ? [{ type: 'invalid', hashes: invalid }] : [];
    return [{ type: 'persist', slot }, { type: 'block', block }, ...rest];
  }

  /** Finds the next own slot, on top of the best block. */
  private plan(now: Millis): void {
    const { slots } = this.parts.rules;
    const { parent, view } = this.best();
    const from = Math.max(slotAt(now, this.slotMs), this.last + 1, slotAt(parent.timestamp, this.slotMs) + 1);
    let [epoch, turns] = [-1, [] as readonly (Turn | undefined)[]];
    let slot = from;
    for (; slot === from || slot < from + ROUNDS_AHEAD * turns.length; slot++) {
      if (slots.epochAt(slot) !== epoch) [epoch, turns] = [slots.epochAt(slot), this.turns(view, slot)];
      if (turns[slot % turns.length] !== undefined) break;
    }
    this.wake = slot * this.slotMs;
  }

  private turnIn(view: StateTree, slot: number): Turn | undefined {
    const turns = this.turns(view, slot);
    return turns[slot % turns.length];
  }

  /** The turns of the epoch of a slot; undefined where they are others'. */
  private turns(view: StateTree, slot: number): (Turn | undefined)[] {
    const epoch = this.parts.rules.slots.epoch(view, slot);
    return turnsOf(epoch).map((authority) => {
      const key = this.parts.keys.find(({ publicKey }) => equal(publicKey, authority.key));
      return key && { authority, key, randomness: epoch.randomness };
    });
  }

  private best(): { readonly parent: ParentBlock; readonly view: StateTree } {
    const { store } = this.parts;
    const parent = parentBlock(store, store.best.hash);
    return { parent, view: must(store.view(parent.hash), 'the best block has its state') };
  }
}
