/**
 * # HeldVotes: votes that came before their block or their round.
 *
 * Always true: every one of them was signed by its voter, and of each voter, stage and round at most two are held, so a
 * voter fills only his own places: at most six votes a voter and round, and three rounds are open at a time. Two of one
 * place convict him, whatever blocks they are for; so who names blocks that do not exist makes us look for two in each
 * place, at the price of his stake.
 */
import { equal, toHex } from '../../base/bytes.ts';
import type { Millis } from '../difficulty.ts';
import { type Equivocation, type SignedVote, sameTarget } from './round.ts';

interface Held {
  readonly vote: SignedVote;
  /** When its block was last looked for. */
  namedAt: Millis | undefined;
}

export class HeldVotes {
  private readonly rounds = new Map<bigint, Map<string, Held[]>>();

  /** Keeps a vote whose signature holds; false when it is kept already, or its voter's places are full. */
  hold(vote: SignedVote): boolean {
    const held = this.placeOf(vote);
    if (held.length === 2 || held.some((one) => sameTarget(one.vote.target, vote.target))) return false;
    const round = this.rounds.get(vote.round) ?? new Map<string, Held[]>();
    this.rounds.set(vote.round, round.set(keyOf(vote), [...held, { vote, namedAt: undefined }]));
    return true;
  }

  /** Whether exactly this vote is held: its signature holds. */
  has(vote: SignedVote): boolean {
    return this.find(vote) !== undefined;
  }

  /** What a vote of this place, stage and round convicts its voter of: two are held, for different blocks. */
  double({ stage, round, setId, id, ...vote }: SignedVote): Equivocation | undefined {
    const [first, second] = this.placeOf({ stage, round, setId, id, ...vote });
    if (stage === 'primaryPropose' || first === undefined || second === undefined) return undefined;
    return { stage, round, setId, id, first: first.vote, second: second.vote };
  }

  /** Whether the block of a vote is to be looked for: the vote is held, and that was not done within `everyMs`. */
  mayName(vote: SignedVote, now: Millis, everyMs: Millis): boolean {
    const held = this.find(vote);
    if (held === undefined || (held.namedAt !== undefined && now < held.namedAt + everyMs)) return false;
    held.namedAt = now;
    return true;
  }

  /** The votes held for a round. */
  of(round: bigint): SignedVote[] {
    return [...(this.rounds.get(round)?.values() ?? [])].flat().map(({ vote }) => vote);
  }

  /** It has found its place. */
  drop(vote: SignedVote): void {
    const left = this.placeOf(vote).filter((held) => held.vote !== vote);
    const round = this.rounds.get(vote.round);
    if (left.length > 0) round?.set(keyOf(vote), left);
    else round?.delete(keyOf(vote));
  }

  /** Forgets the rounds below this one. */
  forgetBelow(round: bigint): void {
    for (const number of [...this.rounds.keys()]) if (number < round) this.rounds.delete(number);
  }

  private placeOf(vote: SignedVote): readonly Held[] {
    return this.rounds.get(vote.round)?.get(keyOf(vote)) ?? [];
  }

  private find(vote: SignedVote): Held | undefined {
    return this.placeOf(vote).find(
      (held) => sameTarget(held.vote.target, vote.target) && equal(held.vote.signature, vote.signature),
    );
  }
}

function keyOf({ stage, id }: SignedVote): string {
  return `${stage}/${toHex(id)}`;
}
