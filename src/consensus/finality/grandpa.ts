/**
 * # Grandpa: the gadget of a chain: one voter for each authority set, from the set of genesis on.
 *
 * Always true: a set ends with the block where a scheduled change takes effect, on each branch; nothing of that branch
 * above it counts in the set, its proof is always stored, and the next set begins there. A vote leaves after it and the
 * watermark are on disk (`persist`). A peer's answer is read once for each question of ours, and a peer is answered
 * once in a round's half T; what is not of our set is dropped, except that it shows that others are ahead.
 *
 * It holds one voter, an entry for each unfinalized block, MAX_ANSWERED peers that were answered, MAX_ASKED that were
 * asked, Questions, and one time for each vote of the two open rounds that was passed on again.
 */
import { assert } from '../../base/assert.ts';
import { type Bytes, equal, toHex } from '../../base/bytes.ts';
import { tryDecode } from '../../codec/index.ts';
import { type AuthorityList, MAX_PROOF_BYTES } from '../../primitives/justification.ts';
import type { BlockRef } from '../../state/store.ts';
import type { Millis } from '../difficulty.ts';
import type { Finality, FinalityEffect, FinalityInput, FinalityView } from './finality.ts';
import { GadgetMessage, LastProof, MAX_ENDS, SetRecord, VoterMemoryCodec } from './message.ts';
import { Questions } from './questions.ts';
import type { Round, SignedVote, Verify } from './round.ts';
import { SetChanges } from './set-changes.ts';
import { Voter, type VoterChain, type VoterEffect, type VoterInput, type VoterKey } from './voter.ts';
import { VoterSet } from './voter-set.ts';
import type { Watermark } from './watermark.ts';

export interface AuthoritySet {
  readonly setId: bigint;
  readonly authorities: AuthorityList;
}

export interface GrandpaSetup {
  /** The set that votes on what stands on this block: asked where nothing is recorded, at genesis or a checkpoint. */
  setAt(block: BlockRef): AuthoritySet;
  /** T of the voters. */
  readonly gossipMs: Millis;
  /** The keys of this node; the first that is in a set votes in it. */
  keys(): readonly VoterKey[];
  /** The last vote of a key that this node knows of beside its database. */
  markOf(key: Bytes): Watermark | undefined;
  readonly verify: Verify;
  /** Proofs are stored with the first block that is proven at or above each multiple of this, and at ends of sets. */
  readonly keepEvery: number;
}

/** Where the voting stands: for RPC and metrics. */
export interface GrandpaState {
  readonly setId: bigint;
  readonly voters: VoterSet;
  /** The round before and the current one. */
  readonly rounds: readonly Round[];
}

const SET = 'grandpa/set';
const MEMORY = 'grandpa/voter';
const LAST = 'grandpa/last';

const MAX_ANSWERED = 256;
/** Two are asked in T: an answer that takes longer than 2 T is not read. */
const MAX_ASKED = 4;
/** For a message that proves its sender wrong: five of them are a ban. */
const FAULT_SCORE = -20;

export class Grandpa implements Finality {
  private readonly setup: GrandpaSetup;
  private view: FinalityView | undefined;
  private finalized: BlockRef | undefined;
  private set: AuthoritySet | undefined;
  private changes: SetChanges | undefined;
  private voter: Voter | undefined;
  private voters: VoterSet | undefined;
  /** The blocks that ended the last sets, the newest last. */
  private ends: Bytes[] = [];
  /** Who were asked for a record last and have not answered, the longest ago first. */
  private catchUpFrom: readonly string[] = [];
  /** For the proof of the set's end. */
  private questions: Questions;
  /** Until this process has voted it listens in each set first: it may run beside another one with its key. */
  private hasVoted = false;
  /** When a peer was last answered, the longest ago first. */
  private readonly answered = new Map<string, Millis>();
  /** When a vote that was known already was last passed on. */
  private readonly repeated = new Map<string, Millis>();
  private out: FinalityEffect[] = [];

  constructor(setup: GrandpaSetup) {
    assert(setup.keepEvery >= 1, 'proofs are stored at multiples of a height');
    this.setup = setup;
    this.questions = new Questions(setup.gossipMs);
  }

  /** Undefined before the first step, and where the set is empty. */
  state(): GrandpaState | undefined {
    const { set, voter, voters } = this;
    if (set === undefined || voter === undefined || voters === undefined) return undefined;
    return { setId: set.setId, voters, rounds: voter.rounds };
  }

  wakeAt(): Millis | undefined {
    return this.voter?.wakeAt();
  }

  step(now: Millis, input: FinalityInput, view: FinalityView): readonly FinalityEffect[] {
    this.out = [];
    this.view = view;
    if (this.changes === undefined) this.start(now);
    switch (input.type) {
      case 'head':
      case 'tick':
        this.vote(now, input);
        break;
      case 'justification':
        this.justified(now, input);
        break;
      case 'message':
        this.hear(now, input.peer, input.message);
        break;
    }
    // Only a message is passed on.
    return input.type === 'message' ? this.out : this.out.filter(({ type }) => type !== 'relay');
  }

  private get chain(): FinalityView {
    assert(this.view !== undefined, 'a gadget begins with its first step');
    return this.view;
  }

  private start(now: Millis): void {
    const { finalized } = this.chain;
    const bytes = this.chain.record(SET);
    const record = bytes === undefined ? undefined : SetRecord.dec(bytes);
    this.finalized = finalized;
    this.set = record ?? this.setup.setAt(finalized);
    this.ends = record?.ends ?? [];
    this.changes = new SetChanges((hash) => this.chain.header(hash), finalized, record?.pending);
    this.elect(now);
  }

  /** Makes the voter of the set. */
  private elect(now: Millis): void {
    const { setup, set, finalized } = this;
    assert(set !== undefined && finalized !== undefined, 'a set votes on what stands on a final block');
    this.voters = VoterSet.of(set.authorities);
    this.voter = undefined;
    this.catchUpFrom = [];
    this.questions = new Questions(setup.gossipMs);
    this.repeated.clear();
    const { voters } = this;
    // A set of nobody finalizes nothing.
    if (voters === undefined) return;
    const key = setup.keys().find(({ publicKey }) => voters.get(publicKey) !== undefined);
    const bytes = this.chain.record(MEMORY);
    this.voter = new Voter(now, {
      setId: set.setId,
      voters,
      gossipMs: setup.gossipMs,
      chain: this.voterChain,
      finalized,
      verify: setup.verify,
      listens: !this.hasVoted,
      ...(key && { key, mark: setup.markOf(key.publicKey) }),
      ...(bytes && { memory: VoterMemoryCodec.dec(bytes) }),
    });
  }

  /** The chain up to where the set ends on each branch: to a voter nothing stands on that. */
  private readonly voterChain: VoterChain = {
    ancestor: (of, number) => {
      const at = this.changes?.at(of);
      const isBeyond = at?.change !== undefined && at.number > at.change.end;
      return isBeyond ? undefined : this.chain.ancestor(of, number);
    },
    bestOn: (block) => {
      const best = this.chain.bestOn(block);
      const end = best && this.changes?.at(best.hash)?.change?.end;
      return best === undefined || end === undefined || best.number <= end ? best : this.chain.ancestor(best.hash, end);
    },
    header: (hash) => this.chain.header(hash),
  };

  private vote(now: Millis, input: VoterInput): void {
    const { voter } = this;
    for (const effect of voter?.step(now, input) ?? []) {
      // What the voter of a set says after the set has ended is never said.
      if (this.voter === voter || effect.type === 'equivocation') this.perform(now, effect);
    }
    // The next set may finalize at once what others proved already, and wants to be woken.
    if (this.voter !== voter) this.vote(now, { type: 'tick' });
  }

  private perform(now: Millis, effect: VoterEffect): void {
    switch (effect.type) {
      case 'persist': {
        const { memory, mark } = effect;
        this.out.push({ type: 'put', name: MEMORY, value: VoterMemoryCodec.enc(memory) });
        this.hasVoted = true;
        this.out.push({ type: 'persist', mark });
        return;
      }
      case 'broadcast':
        this.broadcast({ type: 'Vote', value: { repeat: Math.floor(now / 1_000) >>> 0, vote: effect.vote } });
        return;
      case 'finalize':
        this.finalize(now, effect);
        return;
      case 'equivocation':
      case 'doppelganger':
      case 'relay':
      case 'missing':
      case 'proven':
        this.out.push(effect);
        return;
      case 'askCatchUp':
        this.catchUpFrom = [...this.catchUpFrom.filter((peer) => peer !== effect.peer), effect.peer].slice(-MAX_ASKED);
        this.tell(effect.peer, { type: 'AskCatchUp', value: { setId: this.setId, round: effect.round } });
        return;
      case 'catchUp':
        this.tell(effect.peer, { type: 'CatchUp', value: effect.record });
        return;
      case 'report':
        this.report(effect.peer);
        return;
    }
  }

  private get setId(): bigint {
    return this.set?.setId ?? 0n;
  }

  private finalize(now: Millis, effect: Extract<VoterEffect, { type: 'finalize' }>): void {
    const { block, justification, own } = effect;
    const { set, changes, finalized, voter, voters } = this;
    assert(set && changes && finalized && voter && voters, 'a voter finalizes');
    const { keepEvery } = this.setup;
    const setId = set.setId;
    const change = changes.at(block.hash)?.change;
    const isEnd = change?.end === block.number;
    const isDue = Math.floor(block.number / keepEvery) > Math.floor(finalized.number / keepEvery);
    this.out.push({ type: 'finalize', block, justification, keep: isEnd || isDue });
    changes.finalized(block);
    this.finalized = block;
    const fits = justification.length <= MAX_PROOF_BYTES;
    if (fits) {
      const last = LastProof.enc({ block, setId, bytes: justification });
      this.out.push({ type: 'put', name: LAST, value: last });
    }
    // One of the set tells the proof to who missed votes; everybody tells the one without which nobody goes on.
    const isPrimary = this.isOurs(voters.primary(voter.round).id);
    if (own && fits && (isEnd || isPrimary)) this.broadcast({ type: 'Proof', value: { setId, bytes: justification } });
    if (isEnd && change !== undefined) {
      this.set = { setId: setId + 1n, authorities: change.next };
      this.ends = [...this.ends, block.hash].slice(-MAX_ENDS);
      changes.changed();
    }
    if (change !== undefined) this.putSet(isEnd ? undefined : change);
    if (isEnd) this.elect(now);
  }

  private putSet(pending: SetRecord['pending']): void {
    const { set } = this;
    assert(set !== undefined, 'there is a set');
    const { setId, authorities } = set;
    this.out.push({ type: 'put', name: SET, value: SetRecord.enc({ setId, authorities, pending, ends: this.ends }) });
  }

  private isOurs(id: Bytes): boolean {
    return this.setup.keys().some(({ publicKey }) => equal(publicKey, id));
  }

  /** A proof that came with a block; one of a set after ours cannot be judged before that of its end is here. */
  private justified(now: Millis, input: Extract<FinalityInput, { type: 'justification' }>): void {
    const at = this.changes?.at(input.block.hash);
    if (at === undefined || (at.change !== undefined && at.number > at.change.end)) return;
    this.vote(now, { type: 'justification', peer: input.peer ?? '', bytes: input.bytes });
  }

  private hear(now: Millis, peer: string, bytes: Bytes): void {
    const message = tryDecode(GadgetMessage, bytes);
    if (message === undefined) {
      this.report(peer);
      return;
    }
    switch (message.type) {
      case 'Vote':
        this.heardVote(now, peer, message.value.vote);
        return;
      case 'Proof': {
        const { setId, bytes: proof } = message.value;
        if (setId > this.setId) this.askEnd(now, peer);
        if (setId === this.setId) this.vote(now, { type: 'justification', peer, bytes: proof });
        return;
      }
      case 'AskCatchUp': {
        const { setId, round } = message.value;
        if (setId === this.setId && this.mayAnswer(now, `round ${peer}`)) {
          this.vote(now, { type: 'catchUpAsked', peer, round });
        }
        return;
      }
      case 'CatchUp':
        // Nobody makes us check a thousand signatures unasked.
        if (!this.catchUpFrom.includes(peer)) return;
        this.catchUpFrom = this.catchUpFrom.filter((asked) => asked !== peer);
        this.vote(now, { type: 'catchUp', peer, record: message.value });
        return;
      case 'AskProof': {
        const { setId, block } = message.value;
        const proof = this.mayAnswer(now, `proof ${peer}`) ? this.proofOfEnd(setId, block) : undefined;
        if (proof !== undefined && proof.length <= MAX_PROOF_BYTES) {
          this.tell(peer, { type: 'Proof', value: { setId, bytes: proof } });
        }
        return;
      }
    }
  }

  private heardVote(now: Millis, peer: string, vote: SignedVote): void {
    if (vote.setId > this.setId) this.askEnd(now, peer);
    if (vote.setId !== this.setId || this.voter === undefined) return;
    const isKnown = this.voter.has(vote);
    if (isKnown) this.repeat(now, vote);
    // Who repeats a vote of our key is alive.
    if (!isKnown || this.voter.bearsOurKey(vote) || this.voter.lacksVotes) this.vote(now, { type: 'vote', peer, vote });
  }

  /** What is said again is passed on again, once in 2 T: the first copy may not have reached everybody. */
  private repeat(now: Millis, vote: SignedVote): void {
    const { voter } = this;
    assert(voter !== undefined, 'a known vote has a voter');
    const [before] = voter.rounds;
    const open = `${before?.number}/`;
    const key = `${vote.round}/${toHex(vote.signature)}`;
    for (const known of this.repeated.keys()) {
      if (!known.startsWith(open) && !known.startsWith(`${voter.round}/`)) this.repeated.delete(known);
    }
    const last = this.repeated.get(key);
    if (last !== undefined && now < last + 2 * this.setup.gossipMs) return;
    this.repeated.set(key, now);
    this.out.push({ type: 'relay' });
  }

  /** Others are in a later set: what we lack is the proof of the block that ends ours, whatever branch it is on. */
  private askEnd(now: Millis, speaker: string): void {
    const peer = this.questions.next(now, speaker);
    if (peer === undefined) return;
    const { best } = this.chain;
    const end = this.changes?.at(best.hash)?.change?.end;
    const block = end === undefined ? best : (this.chain.ancestor(best.hash, end) ?? best);
    this.tell(peer, { type: 'AskProof', value: { setId: this.setId, block: block.hash } });
  }

  /** The proof of where a set ended: of the block that the asker takes for its end, or, of a late set, where it was. */
  private proofOfEnd(setId: bigint, guess: Bytes): Bytes | undefined {
    const end = this.ends.at(Number(setId - this.setId));
    const ended = setId < this.setId && end !== undefined ? this.chain.justification(end) : undefined;
    return ended ?? this.chain.justification(guess);
  }

  /** Whether a peer's question is due an answer: answers are long, questions short. */
  private mayAnswer(now: Millis, key: string): boolean {
    const last = this.answered.get(key);
    // An asker waits T by his own clock.
    if (last !== undefined && now < last + this.setup.gossipMs / 2) return false;
    this.answered.delete(key);
    this.answered.set(key, now);
    const [oldest] = this.answered.keys();
    if (this.answered.size > 2 * MAX_ANSWERED && oldest !== undefined) this.answered.delete(oldest);
    return true;
  }

  private broadcast(message: GadgetMessage): void {
    this.out.push({ type: 'broadcast', message: GadgetMessage.enc(message) });
  }

  private tell(peer: string, message: GadgetMessage): void {
    this.out.push({ type: 'tell', peer, message: GadgetMessage.enc(message) });
  }

  private report(peer: string): void {
    if (peer !== '') this.out.push({ type: 'report', peer, score: FAULT_SCORE });
  }
}

/** The newest proof of a chain that GRANDPA finalizes. */
export function lastProof(record: (name: string) => Bytes | undefined): LastProof | undefined {
  const bytes = record(LAST);
  return bytes === undefined ? undefined : LastProof.dec(bytes);
}
