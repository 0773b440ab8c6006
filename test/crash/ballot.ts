/**
 * # Ballot: the production voter as the finality of a chain in one process, a set of one: it prevotes, precommits and
 * finalizes by itself, as fast as blocks come.
 *
 * Always true: it votes for nothing that a fork of the corpus leaves (forks are two blocks deep), and hands what it
 * must remember to `persist` before the vote to `say`.
 */
import { must } from '../../src/base/assert.ts';
import { type Bytes, equal } from '../../src/base/bytes.ts';
import type { Finality, FinalityEffect, FinalityInput, FinalityView } from '../../src/consensus/finality/finality.ts';
import type { SignedVote } from '../../src/consensus/finality/round.ts';
import { standsOn } from '../../src/consensus/finality/vote-graph.ts';
import { Voter, type VoterMemory } from '../../src/consensus/finality/voter.ts';
import { VoterSet } from '../../src/consensus/finality/voter-set.ts';
import { keypairFromSeed } from '../../src/crypto/keypair.ts';
import { verifySignature } from '../../src/crypto/verify.ts';
import { Header } from '../../src/primitives/header.ts';
import type { BlockRef, ChainStore } from '../../src/state/store.ts';
import { T } from '../consensus/world.ts';

/** The validator's key: the same over all its lives. */
const VALIDATOR = keypairFromSeed('ed25519', new Uint8Array(32).fill(9));
const VOTERS = must(VoterSet.of([[VALIDATOR.publicKey, 1n]]), 'a set of one');
const SET_ID = 1n;
const checkVote = (signature: Bytes, message: Bytes, id: Bytes): boolean =>
  verifySignature('ed25519', signature, message, id);

export interface BallotParts {
  readonly store: ChainStore;
  readonly now: number;
  readonly memory: VoterMemory | undefined;
  readonly persist: (memory: VoterMemory) => void;
  readonly say: (vote: SignedVote) => void;
  /** Votes are for the block so far below the best one: above the depth of every fork of the corpus. */
  readonly below: number;
}

export class Ballot implements Finality {
  private readonly parts: BallotParts;
  private readonly voter: Voter;

  constructor(parts: BallotParts) {
    this.parts = parts;
    const { store, memory, now } = parts;
    this.voter = new Voter(now, {
      setId: SET_ID,
      voters: VOTERS,
      // A round takes a few blocks: between two synced flushes there are some that are not.
      gossipMs: 2 * T,
      key: VALIDATOR,
      finalized: store.settled,
      verify: checkVote,
      chain: {
        ancestor: (of, number) => this.ancestor(of, number),
        bestOn: (block) => this.bestOn(block),
        header: (hash) => {
          const bytes = store.header(hash);
          return bytes && Header.dec(bytes);
        },
      },
      ...(memory === undefined ? {} : { memory }),
    });
  }

  wakeAt(): undefined {
    return undefined;
  }

  step(now: number, input: FinalityInput, view: FinalityView): FinalityEffect[] {
    if (input.type !== 'head') return [];
    const out: FinalityEffect[] = [];
    const { finalized } = view;
    const effects = [
      ...this.voter.step(now, { type: 'finalized', block: finalized }),
      ...this.voter.step(now, { type: 'head' }),
    ];
    for (const effect of effects) {
      if (effect.type === 'persist') this.parts.persist(effect.memory);
      if (effect.type === 'broadcast') this.parts.say(effect.vote);
      if (effect.type === 'finalize') out.push(effect);
    }
    return out;
  }

  private ancestor(of: Bytes, number: number): BlockRef | undefined {
    const { store } = this.parts;
    let hash: Bytes | undefined = of;
    let at = store.number(of);
    while (hash !== undefined && at !== undefined && at > Math.max(number, store.settled.number)) {
      hash = store.parent(hash);
      at--;
    }
    return hash !== undefined && at === number ? { hash, number } : undefined;
  }

  private bestOn(block: BlockRef): BlockRef | undefined {
    const { below, store } = this.parts;
    const target = this.ancestor(store.best.hash, store.best.number - below);
    if (target === undefined) return equal(block.hash, store.settled.hash) ? block : undefined;
    return standsOn({ ancestor: (of, n) => this.ancestor(of, n) }, target, block) ? target : block;
  }
}
