/**
 * # Round: what one round of votes says: its GHOST, its estimate, what it finalized, and whether it can be left.
 *
 * Always true: at most two votes a stage are kept of a voter, who counts for every block from his second one on, and
 * whose others are ignored; so a round holds at most four votes a voter and one proposal, whatever is sent. While no
 * more than the tolerated weight votes twice: the estimate is the GHOST or stands under it, everything that the round
 * ever finalizes is the estimate or stands under it, and a round that was completable stays so, its estimate only
 * moving down (GRANDPA, Stewart and Kokoris-Kogia, 2020, sections 2.3 and 4.1).
 */
import { type Bytes, equal } from '../../base/bytes.ts';
import { type GrandpaStage, type SignedPrecommit, type Target, voteMessage } from '../../primitives/justification.ts';
import type { BlockRef } from '../../state/store.ts';
import { type Ancestry, standsOn, VoteGraph, type VoteStage } from './vote-graph.ts';
import type { SetMember, VoterSet } from './voter-set.ts';

/** A vote as it was signed: see voteMessage for the bytes. */
export interface SignedVote {
  readonly stage: GrandpaStage;
  readonly target: Target;
  readonly round: bigint;
  readonly setId: bigint;
  readonly signature: Bytes;
  /** The voter's ed25519 key. */
  readonly id: Bytes;
}

/** Two votes of one voter, stage, round and set, for different blocks: what slashes him. */
export interface Equivocation {
  readonly stage: VoteStage;
  readonly round: bigint;
  readonly setId: bigint;
  readonly id: Bytes;
  readonly first: SignedVote;
  readonly second: SignedVote;
}

/** Why a vote is not taken: code -> sentence. */
export const VOTE_FAULTS = {
  OtherSet: 'the vote is of another authority set',
  OtherRound: 'the vote is of another round',
  UnknownVoter: 'the key is not in the authority set',
  NotPrimary: 'only the primary of a round proposes',
  BadSignature: 'the signature is not that of the voter over this vote',
  UnknownBlock: 'the block is not known here, has another number, or leaves the base of the round',
} as const;
export type VoteFault = keyof typeof VOTE_FAULTS;

export type VoteResult =
  | { readonly type: 'counted' }
  /** The same vote again, or one more of an equivocator: it changes nothing. */
  | { readonly type: 'ignored' }
  | { readonly type: 'equivocation'; readonly proof: Equivocation }
  /** UnknownBlock may pass when the block comes; the others never will. */
  | { readonly type: 'refused'; readonly fault: VoteFault };

export interface RoundState {
  /** The highest block with a supermajority of prevotes. */
  readonly ghost: BlockRef | undefined;
  /** The highest block that this round may have finalized, as far as its votes tell. */
  readonly estimate: BlockRef | undefined;
  /** The highest block with a supermajority of precommits, equivocators counting for all. */
  readonly finalized: BlockRef | undefined;
  /** Whether the estimate is all that the round can still finalize: the next one may begin. */
  readonly completable: boolean;
}

/** Whether `id` signed `message`. */
export type Verify = (signature: Bytes, message: Bytes, id: Bytes) => boolean;

export interface RoundSetup {
  readonly round: bigint;
  readonly setId: bigint;
  readonly voters: VoterSet;
  /** A finalized block: the round votes on it and what stands on it. */
  readonly base: BlockRef;
  readonly tree: Ancestry;
  readonly verify: Verify;
}

interface Kept {
  readonly votes: [SignedVote] | [SignedVote, SignedVote];
  /** Whether the first one stands in the graph. */
  readonly placed: boolean;
}

const NOTHING: RoundState = { ghost: undefined, estimate: undefined, finalized: undefined, completable: false };

/** Checks of a vote against round and set that cost nothing; undefined when it passes. */
export function misplaced(vote: SignedVote, at: Pick<RoundSetup, 'round' | 'setId' | 'voters'>): VoteFault | undefined {
  if (vote.setId !== at.setId) return 'OtherSet';
  if (vote.round !== at.round) return 'OtherRound';
  const voter = at.voters.get(vote.id);
  if (voter === undefined) return 'UnknownVoter';
  if (vote.stage === 'primaryPropose' && at.voters.primary(at.round) !== voter) return 'NotPrimary';
  return undefined;
}

/** Whether the signature of a vote holds. */
export function signedBy(vote: SignedVote, verify: Verify): boolean {
  return verify(vote.signature, voteMessage(vote.stage, vote.target, vote.round, vote.setId), vote.id);
}

export class Round {
  readonly setup: RoundSetup;
  private readonly graph: VoteGraph;
  private readonly kept: Record<VoteStage, Map<number, Kept>> = { prevote: new Map(), precommit: new Map() };
  /** Weight of those who voted in a stage, each once. */
  private readonly voted: Record<VoteStage, bigint> = { prevote: 0n, precommit: 0n };
  private proposed: SignedVote | undefined;
  private now: RoundState = NOTHING;
  private changed = 0;

  constructor(setup: RoundSetup) {
    this.setup = setup;
    this.graph = new VoteGraph(setup.base, setup.tree);
  }

  get state(): RoundState {
    return this.now;
  }

  get number(): bigint {
    return this.setup.round;
  }

  /** Grows with each prevote and precommit that is kept: while it stands and no block comes, nothing more is proven. */
  get changes(): number {
    return this.changed;
  }

  /** What the primary proposes. */
  get proposal(): Target | undefined {
    return this.proposed?.target;
  }

  /** Weight of those who voted in a stage. */
  weight(stage: VoteStage): bigint {
    return this.voted[stage];
  }

  /** Takes a vote; the cheap checks stand before that of the signature. `isSigned`: that one was made already. */
  import(vote: SignedVote, isSigned = false): VoteResult {
    const fault = misplaced(vote, this.setup);
    if (fault !== undefined) return { type: 'refused', fault };
    const voter = this.setup.voters.get(vote.id) as SetMember;
    if (vote.stage === 'primaryPropose') return this.importProposal(vote, isSigned);
    const kept = this.kept[vote.stage].get(voter.index);
    if (kept === undefined) return this.importFirst(vote, voter, vote.stage, isSigned);
    const [first] = kept.votes;
    if (kept.votes.length === 2 || sameTarget(first.target, vote.target)) return { type: 'ignored' };
    if (!isSigned && !signedBy(vote, this.setup.verify)) return { type: 'refused', fault: 'BadSignature' };
    return this.importSecond(vote.stage, vote, voter, kept);
  }

  /** Whether exactly this vote is kept. */
  has(vote: SignedVote): boolean {
    const isSame = ({ signature }: SignedVote) => equal(signature, vote.signature);
    if (vote.stage === 'primaryPropose') return this.proposed !== undefined && isSame(this.proposed);
    const voter = this.setup.voters.get(vote.id);
    const votes: readonly SignedVote[] = (voter && this.kept[vote.stage].get(voter.index)?.votes) ?? [];
    return votes.some(isSame);
  }

  /** All votes of a stage that are kept, in the order of the set: at most two of a voter. */
  votes(stage: VoteStage): SignedVote[] {
    return this.setup.voters.voters.flatMap(({ index }) => this.kept[stage].get(index)?.votes ?? []);
  }

  /** Everything kept, the proposal first. */
  allVotes(): SignedVote[] {
    const proposal = this.proposed === undefined ? [] : [this.proposed];
    return [...proposal, ...this.votes('prevote'), ...this.votes('precommit')];
  }

  /**
   * The highest block that precommits of this round prove final, with those precommits: one of each voter, all of them
   * for the block or above it, the nearest first, and no more than a supermajority needs: a vote far above would cost
   * every header up to it. Verifiers count no vote for a block that it is not for, so an equivocator counts here only
   * where one of his votes fits; what he alone seems to finalize waits for the next round.
   */
  proven(): { readonly target: BlockRef; readonly precommits: readonly SignedPrecommit[] } | undefined {
    const { finalized } = this.now;
    if (finalized === undefined) return undefined;
    for (let number = finalized.number; number >= this.setup.base.number; number--) {
      const block = number === finalized.number ? finalized : this.setup.tree.ancestor(finalized.hash, number);
      if (block === undefined) return undefined;
      const precommits = this.nearestFor(block);
      if (precommits !== undefined) return { target: block, precommits };
    }
    return undefined;
  }

  /** A supermajority of precommits for a block, those nearest above it, in the order of the set. */
  private nearestFor(block: BlockRef): SignedPrecommit[] | undefined {
    const { voters, tree } = this.setup;
    const fitting = voters.voters.flatMap((voter) => {
      const votes: readonly SignedVote[] = this.kept.precommit.get(voter.index)?.votes ?? [];
      const [vote] = votes
        .filter(({ target }) => isBlock(tree, target) && standsOn(tree, target, block))
        .sort(byHeight);
      return vote === undefined ? [] : [{ voter, target: vote.target, signature: vote.signature }];
    });
    const taken: typeof fitting = [];
    let weight = 0n;
    for (const one of fitting.sort(byHeight)) {
      if (weight >= voters.threshold) break;
      taken.push(one);
      weight += one.voter.weight;
    }
    if (weight < voters.threshold) return undefined;
    taken.sort((a, b) => a.voter.index - b.voter.index);
    return taken.map(({ voter, target, signature }) => ({ precommit: target, signature, id: voter.id }));
  }

  private importProposal(vote: SignedVote, isSigned: boolean): VoteResult {
    // A hint, not a vote: the first one stands, and a second is no offence (as in Substrate).
    if (this.proposed !== undefined) return { type: 'ignored' };
    if (!isSigned && !signedBy(vote, this.setup.verify)) return { type: 'refused', fault: 'BadSignature' };
    this.proposed = vote;
    return { type: 'counted' };
  }

  private importFirst(vote: SignedVote, voter: SetMember, stage: VoteStage, isSigned: boolean): VoteResult {
    if (!isSigned && !signedBy(vote, this.setup.verify)) return { type: 'refused', fault: 'BadSignature' };
    // A vote below the base supports nothing that the round is about, but its voter has spoken.
    const below = vote.target.number < this.setup.base.number;
    if (!below && !this.graph.add(stage, vote.target, voter.weight)) return { type: 'refused', fault: 'UnknownBlock' };
    this.kept[stage].set(voter.index, { votes: [vote], placed: !below });
    this.voted[stage] += voter.weight;
    this.update();
    return { type: 'counted' };
  }

  /** The block of a second vote need not be known: wherever it stands, it counts there and everywhere else. */
  private importSecond(stage: VoteStage, vote: SignedVote, voter: SetMember, kept: Kept): VoteResult {
    const [first] = kept.votes;
    this.graph.equivocate(stage, voter.weight, kept.placed ? first.target : undefined);
    this.kept[stage].set(voter.index, { votes: [first, vote], placed: kept.placed });
    this.update();
    const { round, setId } = this.setup;
    return { type: 'equivocation', proof: { stage, round, setId, id: vote.id, first, second: vote } };
  }

  private update(): void {
    this.changed++;
    const { threshold, total, tolerated } = this.setup.voters;
    const enough = (weight: bigint) => weight >= threshold;
    if (this.voted.prevote < threshold) return;
    const ghost = this.graph.ghost('prevote', enough, this.now.ghost);
    if (ghost === undefined) return;
    // With fewer precommits than that, any block might still get a supermajority.
    if (this.voted.precommit < threshold) {
      this.now = { ...NOTHING, ghost, estimate: ghost };
      return;
    }
    const finalized = this.graph.highestUnder(ghost, 'precommit', enough);
    const double = this.graph.equivocated('precommit');
    const moreDouble = tolerated > double ? tolerated - double : 0n;
    const silent = total - this.voted.precommit;
    // For a block may still come: all who are silent, and of those who voted for others as many as may yet vote twice.
    const possible = (weight: bigint) => {
      const others = this.voted.precommit - weight;
      return weight + silent + (others < moreDouble ? others : moreDouble) >= threshold;
    };
    const estimate = this.graph.highestUnder(ghost, 'precommit', possible);
    const completable =
      estimate !== undefined && (estimate.number < ghost.number || !this.graph.someChild(ghost, 'precommit', possible));
    this.now = { ghost, estimate, finalized, completable };
  }
}

/** Whether two votes are for one block. */
export function sameTarget(a: Target, b: Target): boolean {
  return a.number === b.number && equal(a.hash, b.hash);
}

function byHeight(a: { readonly target: Target }, b: { readonly target: Target }): number {
  return a.target.number - b.target.number;
}

/** Whether a block of this hash and height is here: a second vote may be for one that is not, or for a false height. */
function isBlock(tree: Ancestry, target: Target): boolean {
  return standsOn(tree, target, target);
}
