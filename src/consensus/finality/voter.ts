/**
 * # Voter: one voter of an authority set, over the rounds (GRANDPA, Stewart and Kokoris-Kogia, 2020, section 4).
 *
 * Always true: of each stage of a round it signs at most one vote, restarts included, for a vote is persisted before it
 * is broadcast and rounds never go back; it prevotes for nothing that leaves the estimate of the round before, and
 * precommits to a GHOST that stands on it. It holds two rounds, the current one and the one before, and HeldVotes.
 *
 * It judges only what is of its set; whoever drives it makes a new one where the set changes, bounds how often a peer
 * may ask, and performs effects in their order: `persist` is on disk before the `broadcast` after it leaves.
 */
import { assert } from '../../base/assert.ts';
import { type Bytes, equal } from '../../base/bytes.ts';
import type { Header } from '../../primitives/header.ts';
import { type GrandpaStage, type Target, voteMessage } from '../../primitives/justification.ts';
import type { BlockRef } from '../../state/store.ts';
import type { Millis } from '../difficulty.ts';
import { HeldVotes } from './held.ts';
import { type JustificationFault, justify, targetOf, verifyJustification } from './justification.ts';
import { type Foreign, Listening } from './listening.ts';
import { OwnVotes } from './own-votes.ts';
import { Questions } from './questions.ts';
import {
  type Equivocation,
  misplaced,
  Round,
  type RoundState,
  type SignedVote,
  signedBy,
  type Verify,
  type VoteFault,
} from './round.ts';
import { type Ancestry, standsOn } from './vote-graph.ts';
import type { VoterSet } from './voter-set.ts';
import type { Watermark } from './watermark.ts';

/** What a voter sees of the chain; it reaches down to the last finalized block at least. */
export interface VoterChain extends Ancestry {
  /** The block that fork choice prefers among this one and what stands on it; undefined when it is unknown. */
  bestOn(block: BlockRef): BlockRef | undefined;
  header(hash: Bytes): Header | undefined;
}

/** The votes of a round that somebody could leave: what a voter who is behind needs to leave it too. */
export interface RoundRecord {
  readonly setId: bigint;
  readonly round: bigint;
  readonly votes: readonly SignedVote[];
}

/** What must survive a crash: without it a restarted voter may vote twice. */
export interface VoterMemory {
  readonly setId: bigint;
  readonly round: bigint;
  /** The voter's own votes of this round. */
  readonly own: readonly SignedVote[];
  /** The round before, and what it said when the voter left it. */
  readonly before: { readonly record: RoundRecord; readonly state: RoundState };
}

export interface VoterKey {
  readonly publicKey: Bytes;
  sign(message: Bytes): Bytes;
}

export interface VoterSetup {
  readonly setId: bigint;
  readonly voters: VoterSet;
  /** T: the time in which a vote reaches all; prevotes wait 2 T, precommits 4 T. */
  readonly gossipMs: Millis;
  /** Whoever has no key, or one outside the set, follows the rounds without voting. */
  readonly key?: VoterKey;
  readonly chain: VoterChain;
  /** The last finalized block. */
  readonly finalized: BlockRef;
  readonly verify: Verify;
  readonly memory?: VoterMemory;
  /** Of this key, kept outside the database. */
  readonly mark?: Watermark | undefined;
  /** This process has not voted yet: it listens before it does. */
  readonly listens?: boolean;
}

export type VoterInput =
  | { readonly type: 'vote'; readonly peer: string; readonly vote: SignedVote }
  | { readonly type: 'justification'; readonly peer: string; readonly bytes: Bytes }
  | { readonly type: 'catchUp'; readonly peer: string; readonly record: RoundRecord }
  | { readonly type: 'catchUpAsked'; readonly peer: string; readonly round: bigint }
  /** A block came, or the best one changed. */
  | { readonly type: 'head' }
  | { readonly type: 'tick' };

export type VoterEffect =
  | { readonly type: 'persist'; readonly memory: VoterMemory; readonly mark: Watermark }
  | { readonly type: 'broadcast'; readonly vote: SignedVote }
  /** The block is final; `own`: the proof was made here, so others may want it. */
  | { readonly type: 'finalize'; readonly block: BlockRef; readonly justification: Bytes; readonly own: boolean }
  | { readonly type: 'equivocation'; readonly proof: Equivocation }
  /** A vote of our key that we did not cast, once of each kind: two nodes run with it, or a disk was lost. */
  | { readonly type: 'doppelganger'; readonly vote: SignedVote; readonly kind: Foreign }
  /** The vote or proof that was heard is news and holds: others may want it. */
  | { readonly type: 'relay' }
  /** A vote that this peer brought is for a block that is not here. */
  | { readonly type: 'missing'; readonly block: Target; readonly peer: string }
  /** A block that is not here is final: this peer may have it, however little work its chain shows. */
  | { readonly type: 'proven'; readonly peer: string; readonly block: BlockRef }
  /** Asks for the record of this round or a later one. */
  | { readonly type: 'askCatchUp'; readonly peer: string; readonly round: bigint }
  | { readonly type: 'catchUp'; readonly peer: string; readonly record: RoundRecord }
  | { readonly type: 'report'; readonly peer: string; readonly fault: VoteFault | JustificationFault };

/** In T, from the start of a round (the paper's 2 T and 4 T). */
const PREVOTE_AFTER = 2;
const PRECOMMIT_AFTER = 4;
/** In T: own votes of the two rounds are said again, for gossip loses some. */
const REPEAT_EVERY = 4;
/** In T: so long in one round while others are in the next, a voter asks how they left it. */
const STUCK_AFTER = 8;

export class Voter {
  private readonly setup: VoterSetup;
  private readonly held = new HeldVotes();
  private readonly mayVote: boolean;
  private finalized: BlockRef;
  private before: Round;
  /** What the round before said when it was left: it stands in when the votes of it cannot all be placed any more. */
  private beforeThen: RoundState;
  private current: Round;
  private readonly own: OwnVotes;
  private startedAt: Millis;
  private repeatAt: Millis;
  private readonly questions: Questions;
  /** Rounds that were asked for a proof since a block came, and the votes that they had: asking takes long. */
  private tried = new WeakMap<Round, number>();
  /** The highest proof for a block that is not known yet. */
  private proof: { readonly block: Target; readonly bytes: Bytes } | undefined;
  private readonly listening: Listening;
  private now: Millis;
  private out: VoterEffect[] = [];

  constructor(now: Millis, setup: VoterSetup) {
    assert(setup.gossipMs > 0, 'gossip takes time');
    const { setId, voters, key, finalized } = setup;
    const memory = setup.memory?.setId === setId ? setup.memory : undefined;
    this.setup = setup;
    this.finalized = finalized;
    this.mayVote = key !== undefined && voters.get(key.publicKey) !== undefined && (setup.memory?.setId ?? 0n) <= setId;
    // Round 0 stands for genesis, or the block that began the set: it said all it will.
    const start = { ghost: finalized, estimate: finalized, finalized, completable: true };
    this.beforeThen = memory?.before.state ?? start;
    this.before = this.roundAt(memory?.before.record.round ?? 0n);
    this.current = this.roundAt(memory?.round ?? 1n);
    this.startedAt = now;
    this.repeatAt = now;
    this.questions = new Questions(setup.gossipMs);
    this.listening = new Listening(now, setup.gossipMs, setup.listens !== true);
    this.now = now;
    this.own = new OwnVotes(setId, key?.publicKey, setup.mark);
    const votes = memory?.before.record.votes ?? [];
    this.own.restore(this.before.number, votes, this.current.number, memory?.own ?? []);
    for (const vote of [...votes, ...this.own.all]) this.place(vote);
  }

  get round(): bigint {
    return this.current.number;
  }

  /** The rounds that are open: for grandpa_roundState. */
  get rounds(): readonly Round[] {
    return [this.before, this.current];
  }

  /** Whether exactly this vote is counted in one of the open rounds. */
  has(vote: SignedVote): boolean {
    return this.rounds.find(({ number }) => number === vote.round)?.has(vote) ?? false;
  }

  wakeAt(): Millis | undefined {
    const { gossipMs } = this.setup;
    if (!this.mayVote) return undefined;
    // What was due and could not be said waits for votes or blocks, not for time.
    const due = [PREVOTE_AFTER, PRECOMMIT_AFTER].map((after) => this.startedAt + after * gossipMs);
    return Math.min(this.repeatAt, ...[...due, this.listening.until].filter((at) => at > this.now));
  }

  step(now: Millis, input: VoterInput): readonly VoterEffect[] {
    this.out = [];
    this.now = now;
    switch (input.type) {
      case 'vote':
        this.hear(now, input.peer, input.vote);
        break;
      case 'justification':
        this.judge(input.peer, input.bytes);
        break;
      case 'catchUp':
        this.catchUp(now, input.peer, input.record);
        break;
      case 'catchUpAsked':
        this.answer(input.peer, input.round);
        break;
      case 'head':
        this.tried = new WeakMap();
        this.placeHeld();
        this.useProof();
        break;
      case 'tick':
        break;
    }
    this.proceed(now);
    return this.out;
  }

  private roundAt(round: bigint): Round {
    const { setId, voters, chain, verify } = this.setup;
    return new Round({ round, setId, voters, base: this.finalized, tree: chain, verify });
  }

  /** The estimate that binds this round's votes: never below what is final. */
  private floor(): BlockRef | undefined {
    const state = this.before.state.completable ? this.before.state : this.beforeThen;
    if (state.estimate === undefined) return undefined;
    return state.estimate.number < this.finalized.number ? this.finalized : state.estimate;
  }

  private hear(now: Millis, peer: string, vote: SignedVote): void {
    const { setId, voters, verify } = this.setup;
    // Votes of other sets are in the air while a set changes: nobody's fault.
    if (vote.setId !== setId || vote.round < this.before.number) return;
    const isForeign = this.own.isForeign(vote);
    if (!isForeign && this.has(vote) && this.bearsOurKey(vote)) this.listening.heardEcho(now);
    if (vote.round <= this.current.number && !isForeign) {
      this.place(vote, peer);
      if (this.lacksVotes) this.ask(now, peer, this.before.number);
      return;
    }
    const isKnown = this.has(vote) || this.held.has(vote);
    const fault = isKnown ? undefined : misplaced(vote, { round: vote.round, setId, voters });
    if (fault !== undefined || !(isKnown || signedBy(vote, verify))) {
      this.out.push({ type: 'report', peer, fault: fault ?? 'BadSignature' });
      return;
    }
    const kind = isForeign ? this.listening.heardForeign(now, vote.round) : undefined;
    if (kind !== undefined) this.out.push({ type: 'doppelganger', vote, kind });
    this.listening.heardOther(now);
    if (vote.round <= this.current.number) {
      this.place(vote, peer);
      return;
    }
    const next = vote.round === this.current.number + 1n;
    if (next) this.hold(vote, peer);
    const stuck = now >= this.startedAt + STUCK_AFTER * this.setup.gossipMs;
    if (!next || stuck) this.ask(now, peer);
  }

  /** The GHOST is off the estimate: others know votes of the round before, a liar's second ones, that we lack. */
  get lacksVotes(): boolean {
    const [floor, { ghost }] = [this.floor(), this.current.state];
    return floor !== undefined && ghost !== undefined && !standsOn(this.setup.chain, ghost, floor);
  }

  bearsOurKey(vote: SignedVote): boolean {
    return this.own.bearsOurKey(vote);
  }

  /** Of the peers who say that they are ahead, this one and others, whose turn it is. */
  private ask(now: Millis, speaker: string, round = this.current.number): void {
    const peer = this.questions.next(now, speaker);
    if (peer !== undefined) this.out.push({ type: 'askCatchUp', peer, round });
  }

  private answer(peer: string, round: bigint): void {
    if (this.before.number < round || !this.before.state.completable) return;
    this.out.push({ type: 'catchUp', peer, record: this.recordOf(this.before) });
  }

  private recordOf(round: Round): RoundRecord {
    return { setId: this.setup.setId, round: round.number, votes: round.allVotes() };
  }

  /** Puts a vote of one of the two rounds where it belongs; without a peer it was heard before. */
  private place(vote: SignedVote, peer?: string): void {
    // One that is held is placed when a block comes; its signature is not checked each time that somebody repeats it.
    if (peer !== undefined && this.held.has(vote)) {
      this.miss(vote, peer);
      return;
    }
    const round = vote.round === this.current.number ? this.current : this.before;
    const result = round.import(vote, this.held.has(vote));
    if (result.type === 'equivocation') this.out.push({ type: 'equivocation', proof: result.proof });
    const isNews = result.type === 'counted' || result.type === 'equivocation';
    if (peer !== undefined && isNews) this.out.push({ type: 'relay' });
    if (peer !== undefined && isNews) this.listening.heardOther(this.now);
    const isUnknown = result.type === 'refused' && result.fault === 'UnknownBlock';
    if (isUnknown) this.hold(vote, peer);
    else this.held.drop(vote);
    if (result.type !== 'refused' || peer === undefined) return;
    if (isUnknown) this.miss(vote, peer);
    else this.out.push({ type: 'report', peer, fault: result.fault });
  }

  /** Keeps a vote until its block or its round comes; a voter's second one convicts him, though neither be known. */
  private hold(vote: SignedVote, peer: string | undefined, held = this.held): void {
    if (!held.hold(vote)) return;
    if (peer !== undefined) this.out.push({ type: 'relay' });
    const proof = held.double(vote);
    if (proof !== undefined) this.out.push({ type: 'equivocation', proof });
  }

  /** Another branch may hold its block, which nobody who follows the best chain would bring. */
  private miss(vote: SignedVote, peer: string, held = this.held): void {
    const [block, everyMs] = [vote.target, REPEAT_EVERY * this.setup.gossipMs];
    if (block.number <= this.finalized.number || !held.mayName(vote, this.now, everyMs)) return;
    this.out.push({ type: 'missing', block, peer });
  }

  private placeHeld(): void {
    for (const round of [this.before.number, this.current.number]) {
      for (const vote of this.held.of(round)) this.place(vote);
    }
  }

  private catchUp(now: Millis, peer: string, record: RoundRecord): void {
    const { setId, voters } = this.setup;
    // Two votes of two stages a voter, and a proposal: an honest record is no longer.
    if (record.setId !== setId || record.round < this.before.number) return;
    if (record.votes.length > 4 * voters.voters.length + 1) return;
    if (record.round === this.before.number) {
      for (const vote of record.votes) if (vote.round === record.round) this.place(vote);
      return;
    }
    const round = this.roundAt(record.round);
    const waiting = new HeldVotes();
    const known = record.round === this.current.number ? this.current.allVotes() : [];
    for (const vote of [...known, ...record.votes]) {
      const result = round.import(vote);
      if (result.type === 'equivocation') this.out.push({ type: 'equivocation', proof: result.proof });
      if (result.type === 'refused' && result.fault === 'UnknownBlock') {
        this.hold(vote, undefined, waiting);
        this.miss(vote, peer, waiting);
      } else if (result.type === 'refused') {
        this.out.push({ type: 'report', peer, fault: result.fault });
        return;
      }
    }
    // Blocks that we miss may hide that it is; then somebody is asked again.
    if (round.state.completable) this.leave(now, round);
  }

  private judge(peer: string, bytes: Bytes): void {
    const { voters, setId, verify } = this.setup;
    // Of a block that is final, or no higher than the proof at hand: not worth its signatures.
    const claimed = targetOf(bytes)?.number;
    if (claimed !== undefined && claimed <= (this.proof?.block ?? this.finalized).number) return;
    const verdict = verifyJustification(bytes, { voters, setId, verify });
    if (!verdict.ok) {
      // One of an earlier set may be late; it fails by its keys or signatures as a false one does.
      this.out.push({ type: 'report', peer, fault: verdict.fault });
      return;
    }
    const block = verdict.justification.commit.target;
    this.proof = { block, bytes };
    this.out.push({ type: 'relay' });
    this.useProof();
    if (this.proof !== undefined) this.out.push({ type: 'proven', peer, block });
  }

  private useProof(): void {
    if (this.proof === undefined) return;
    const { block, bytes } = this.proof;
    if (block.number > this.finalized.number) {
      const known = this.setup.chain.ancestor(block.hash, block.number);
      if (known === undefined || !standsOn(this.setup.chain, block, this.finalized)) return;
      this.finalize(block, bytes, false);
    }
    this.proof = undefined;
  }

  private finalize({ hash, number }: BlockRef, justification: Bytes, own: boolean): void {
    this.finalized = { hash, number };
    this.out.push({ type: 'finalize', block: this.finalized, justification, own });
  }

  private proceed(now: Millis): void {
    for (;;) {
      this.castPrevote(now);
      this.castPrecommit(now);
      this.finalizeOwn();
      if (!this.mayLeave()) break;
      this.leave(now, this.current);
    }
    this.repeat(now);
  }

  private finalizeOwn(): void {
    for (const round of this.rounds) {
      if ((round.state.finalized?.number ?? 0) <= this.finalized.number) continue;
      if (this.tried.get(round) === round.changes) continue;
      this.tried.set(round, round.changes);
      const made = justify(round, (hash) => this.setup.chain.header(hash));
      if (made !== undefined && made.target.number > this.finalized.number)
        this.finalize(made.target, made.bytes, true);
    }
  }

  /** A round is left when it is completable and what the one before may have finalized is final. */
  private mayLeave(): boolean {
    const { state } = this.current;
    const floor = this.floor();
    if (!state.completable || floor === undefined) return false;
    return floor.number <= Math.max(this.finalized.number, state.finalized?.number ?? 0);
  }

  private leave(now: Millis, round: Round): void {
    this.own.begin(round.number + 1n, round.number === this.current.number);
    this.before = round;
    this.beforeThen = round.state;
    this.current = this.roundAt(round.number + 1n);
    this.startedAt = now;
    this.repeatAt = now + REPEAT_EVERY * this.setup.gossipMs;
    this.held.forgetBelow(round.number);
    for (const vote of this.own.current) this.place(vote);
    this.placeHeld();
    this.propose();
  }

  /** Whether nothing of this stage may be said in this round any more. */
  private said(stage: GrandpaStage): boolean {
    return !this.mayVote || !this.listening.maySpeak(this.now, this.round) || this.own.said(this.round, stage);
  }

  /** The primary says what the round before may have finalized, where that is not final: a hint to agree on. */
  private propose(): void {
    const { key, voters } = this.setup;
    const floor = this.floor();
    if (this.said('primaryPropose') || key === undefined || floor === undefined) return;
    if (floor.number <= this.finalized.number) return;
    if (equal(voters.primary(this.round).id, key.publicKey)) this.cast('primaryPropose', floor);
  }

  private castPrevote(now: Millis): void {
    if (this.said('prevote')) return;
    const due = this.startedAt + PREVOTE_AFTER * this.setup.gossipMs;
    if (now < due && !this.current.state.completable) return;
    const floor = this.floor();
    const best = floor && this.setup.chain.bestOn(this.proposedOn(floor) ?? floor);
    if (best !== undefined) this.cast('prevote', best);
  }

  /** The primary's block, where it stands above the estimate and on the way to the last round's GHOST. */
  private proposedOn(floor: BlockRef): BlockRef | undefined {
    const { proposal } = this.current;
    const ghost = this.before.state.ghost ?? this.beforeThen.ghost;
    const { chain } = this.setup;
    if (proposal === undefined || ghost === undefined || proposal.number <= floor.number) return undefined;
    return standsOn(chain, ghost, proposal) && standsOn(chain, proposal, floor) ? proposal : undefined;
  }

  private castPrecommit(now: Millis): void {
    if (!this.said('prevote') || this.said('precommit')) return;
    const due = this.startedAt + PRECOMMIT_AFTER * this.setup.gossipMs;
    if (now < due && !this.current.state.completable) return;
    const { ghost } = this.current.state;
    const floor = this.floor();
    if (ghost !== undefined && floor !== undefined && standsOn(this.setup.chain, ghost, floor)) {
      this.cast('precommit', ghost);
    }
  }

  private cast(stage: GrandpaStage, { hash, number }: BlockRef): void {
    const { key, setId } = this.setup;
    assert(key !== undefined && !this.said(stage), 'one vote of a stage in a round');
    const target = { hash, number };
    const { round } = this;
    const signature = key.sign(voteMessage(stage, target, round, setId));
    const vote: SignedVote = { stage, target, round, setId, signature, id: key.publicKey };
    const mark = this.own.cast(vote);
    this.listening.spoke();
    this.out.push({ type: 'persist', memory: this.memory(), mark }, { type: 'broadcast', vote });
    this.place(vote);
  }

  private memory(): VoterMemory {
    const state = this.before.state.completable ? this.before.state : this.beforeThen;
    const before = { record: this.recordOf(this.before), state };
    return { setId: this.setup.setId, round: this.round, own: this.own.current, before };
  }

  private repeat(now: Millis): void {
    if (!this.mayVote || now < this.repeatAt) return;
    this.repeatAt = now + REPEAT_EVERY * this.setup.gossipMs;
    if (this.listening.isListening(now)) return;
    for (const vote of this.own.all) this.out.push({ type: 'broadcast', vote });
  }
}
