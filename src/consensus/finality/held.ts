/**
 * # HeldVotes: votes that came before their block or their round.
 *
 * Always true: every one of them was signed by its voter, and of each voter, stage and round at most two are held, so a
 * voter fills only his own places: at most six votes a voter and round, and three rounds are open at a time.
 */
import { equal, toHex } from '../../base/bytes.ts';
import type { SignedVote } from './round.ts';

export class HeldVotes {
  private readonly rounds = new Map<bigint, Map<string, SignedVote[]>>();

  /** Keeps a vote whose signature holds; false when it is kept already, or its voter's places are full. */
  hold(vote: SignedVote): boolean {
    const round = this.rounds.get(vote.round) ?? new Map<string, SignedVote[]>();
    this.rounds.set(vote.round, round);
    const place = `${vote.stage}/${toHex(vote.id)}`;
    const votes = round.get(place) ?? [];
    if (votes.length === 2 || votes.some(({ target }) => equal(target.hash, vote.target.hash))) return false;
    round.set(place, [...votes, vote]);
    return true;
  }

  /** The votes held for a round; they are held no longer. */
  take(round: bigint): SignedVote[] {
    const votes = [...(this.rounds.get(round)?.values() ?? [])].flat();
    this.rounds.delete(round);
    return votes;
  }

  /** Forgets the rounds below this one. */
  forgetBelow(round: bigint): void {
    for (const number of [...this.rounds.keys()]) if (number < round) this.rounds.delete(number);
  }
}
