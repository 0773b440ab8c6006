/** # StandIn: a voter as a finality gadget of one authority set. */
import { must } from '../base/assert.ts';
import { boundedBytes, struct, u32, u64, variant } from '../codec/index.ts';
import { isBetter } from '../consensus/choice.ts';
import type { Millis } from '../consensus/difficulty.ts';
import type { FinalityEffect, FinalityInput, FinalityView } from '../consensus/finality/finality.ts';
import { RoundRecordCodec, SignedVoteCodec, VoterMemoryCodec } from '../consensus/finality/message.ts';
import type { Equivocation } from '../consensus/finality/round.ts';
import { Voter, type VoterChain, type VoterEffect } from '../consensus/finality/voter.ts';
import type { VoterSet } from '../consensus/finality/voter-set.ts';
import { metaOf } from '../consensus/meta.ts';
import { Header } from '../primitives/header.ts';
import type { BlockRef, ChainStore } from '../state/store.ts';

export const GadgetMessage = variant({
  Vote: struct({ repeat: u32, vote: SignedVoteCodec }),
  Proof: struct({ setId: u64, bytes: boundedBytes(192 * 1024) }),
  AskCatchUp: struct({ setId: u64, round: u64 }),
  CatchUp: RoundRecordCodec,
});

export type GadgetEffect =
  | FinalityEffect
  | { readonly type: 'persist' }
  | { readonly type: 'tell'; readonly peer: string; readonly message: Uint8Array }
  | { readonly type: 'relay' }
  | { readonly type: 'equivocation'; readonly proof: Equivocation };

export interface StandInParts {
  readonly store: ChainStore;
  readonly voters: VoterSet;
  readonly gossipMs: Millis;
  readonly key: { readonly publicKey: Uint8Array; sign(message: Uint8Array): Uint8Array };
  readonly verify: (signature: Uint8Array, message: Uint8Array, id: Uint8Array) => boolean;
}

export class StandIn {
  private readonly parts: StandInParts;
  private voter: Voter | undefined;
  private pending: { block: BlockRef; justification: Uint8Array } | undefined;
  private view: FinalityView | undefined;

  constructor(parts: StandInParts) {
    this.parts = parts;
  }

  get machine(): Voter | undefined {
    return this.voter;
  }

  step(now: Millis, input: FinalityInput, view: FinalityView): readonly GadgetEffect[] {
    this.view = view;
    const out: GadgetEffect[] = [];
    if (this.voter === undefined) {
      const { store, voters, gossipMs, key, verify } = this.parts;
      const bytes = store.aux('votes');
      const memory = bytes === undefined ? {} : { memory: VoterMemoryCodec.dec(bytes) };
      const chain = this.chain();
      this.voter = new Voter(now, { setId: 0n, voters, gossipMs, key, chain, finalized: view.finalized, verify, ...memory });
    }
    const heard = input.type === 'message' ? this.hear(input.peer, input.message) : { type: input.type };
    for (const effect of this.voter.step(now, heard as never)) this.turn(effect, now, out);
    const { pending } = this;
    if (pending !== undefined && pending.block.number > view.finalized.number) {
      const at = view.ancestor(pending.block.hash, pending.block.number);
      if (at !== undefined && Buffer.from(at.hash).equals(Buffer.from(pending.block.hash))) {
        out.push({ type: 'finalize', ...pending });
        this.pending = undefined;
      }
    }
    return out;
  }

  wakeAt(): Millis | undefined {
    return this.voter?.wakeAt();
  }

  private hear(peer: string, bytes: Uint8Array) {
    const said = GadgetMessage.dec(bytes);
    switch (said.type) {
      case 'Vote':
        return { type: 'vote', peer, vote: said.value.vote };
      case 'Proof':
        return { type: 'justification', peer, bytes: said.value.bytes };
      case 'AskCatchUp':
        return { type: 'catchUpAsked', peer, round: said.value.round };
      case 'CatchUp':
        return { type: 'catchUp', peer, record: said.value };
    }
  }

  private turn(effect: VoterEffect, now: Millis, out: GadgetEffect[]): void {
    switch (effect.type) {
      case 'persist':
        this.parts.store.putAux('votes', VoterMemoryCodec.enc(effect.memory));
        out.push({ type: 'persist' });
        return;
      case 'broadcast':
        out.push({
          type: 'broadcast',
          message: GadgetMessage.enc({
            type: 'Vote',
            value: { repeat: Math.floor(now / 1000) >>> 0, vote: effect.vote },
          }),
        });
        return;
      case 'finalize':
        this.pending = { block: effect.block, justification: effect.justification };
        if (effect.own)
          out.push({
            type: 'broadcast',
            message: GadgetMessage.enc({ type: 'Proof', value: { setId: 0n, bytes: effect.justification } }),
          });
        return;
      case 'equivocation':
        out.push(effect);
        return;
      case 'askCatchUp':
        out.push({
          type: 'tell',
          peer: effect.peer,
          message: GadgetMessage.enc({ type: 'AskCatchUp', value: { setId: 0n, round: effect.round } }),
        });
        return;
      case 'catchUp':
        out.push({
          type: 'tell',
          peer: effect.peer,
          message: GadgetMessage.enc({ type: 'CatchUp', value: effect.record }),
        });
        return;
      case 'report':
        out.push({ type: 'report', peer: effect.peer, score: -10 });
    }
  }

  private chain(): VoterChain {
    const { store } = this.parts;
    return {
      ancestor: (of, number) => must(this.view, 'a view').ancestor(of, number),
      header: (hash) => {
        const bytes = store.header(hash);
        return bytes === undefined ? undefined : Header.dec(bytes);
      },
      bestOn: (block) => {
        const view = must(this.view, 'a view');
        let best: BlockRef | undefined;
        for (const leaf of store.leaves()) {
          const under = view.ancestor(leaf.hash, block.number);
          if (under === undefined || !Buffer.from(under.hash).equals(Buffer.from(block.hash))) continue;
          if (best === undefined || isBetter(weighed(store, leaf), weighed(store, best))) best = leaf;
        }
        return best;
      },
    };
  }
}

function weighed(store: ChainStore, block: BlockRef) {
  return metaOf(store, block.hash);
}
