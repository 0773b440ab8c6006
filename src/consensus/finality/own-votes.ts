/**
 * # OwnVotes: what a voter said itself in the two rounds, and in which places it may say nothing any more.
 *
 * Always true: at most one vote a stage of a round; the mark is at or above each of them, and where the mark knows of
 * votes that a database does not, they are here too, so that they are said again and no other is.
 */
import { type Bytes, equal } from '../../base/bytes.ts';
import type { GrandpaStage } from '../../primitives/justification.ts';
import type { SignedVote } from './round.ts';
import { isAbove, raised, type Watermark } from './watermark.ts';

export class OwnVotes {
  private readonly setId: bigint;
  private readonly key: Bytes | undefined;
  private mark: Watermark | undefined;
  private ofBefore: readonly SignedVote[] = [];
  private ofCurrent: readonly SignedVote[] = [];

  /** `key`: undefined for who follows without one. */
  constructor(setId: bigint, key: Bytes | undefined, mark: Watermark | undefined) {
    this.setId = setId;
    this.key = key;
    this.mark = mark;
  }

  /** Of the current round. */
  get current(): readonly SignedVote[] {
    return this.ofCurrent;
  }

  /** Of both rounds, the earlier one first. */
  get all(): readonly SignedVote[] {
    return [...this.ofBefore, ...this.ofCurrent];
  }

  /** Goes on from what a disk holds of the two rounds: `votes` of anybody in the one before, `own` of the current. */
  restore(before: bigint, votes: readonly SignedVote[], current: bigint, own: readonly SignedVote[]): void {
    this.ofBefore = this.withMarked(
      votes.filter((vote) => this.bearsOurKey(vote)),
      before,
    );
    this.ofCurrent = this.withMarked(own, current);
  }

  /** A round begins; `isNext`: it is the one after the current, whose votes are then those of the round before. */
  begin(round: bigint, isNext: boolean): void {
    this.ofBefore = isNext ? this.ofCurrent : [];
    this.ofCurrent = this.withMarked([], round);
  }

  /** A vote of the current round is cast; the mark that has to be on disk before it leaves. */
  cast(vote: SignedVote): Watermark {
    this.ofCurrent = [...this.ofCurrent, vote];
    this.mark = raised(this.mark, vote);
    return this.mark;
  }

  /** Whether this stage of the current round was said, or is at or below the mark. */
  said(round: bigint, stage: GrandpaStage): boolean {
    const isMarked = this.mark !== undefined && !isAbove({ setId: this.setId, round, stage }, this.mark);
    return isMarked || this.ofCurrent.some((vote) => vote.stage === stage);
  }

  bearsOurKey({ id }: SignedVote): boolean {
    return this.key !== undefined && equal(id, this.key);
  }

  /** Whether a vote bears our key but is none of ours. */
  isForeign(vote: SignedVote): boolean {
    if (!this.bearsOurKey(vote)) return false;
    const isOurs = ({ round, stage, target }: SignedVote): boolean =>
      round === vote.round && stage === vote.stage && equal(target.hash, vote.target.hash);
    const marked = this.mark?.votes.filter(({ setId }) => setId === vote.setId) ?? [];
    return ![...this.all, ...marked].some(isOurs);
  }

  /** With what the mark knows of our votes in a round: a database may be older than they are. */
  private withMarked(votes: readonly SignedVote[], round: bigint): readonly SignedVote[] {
    const marked = this.mark?.votes.filter((vote) => vote.setId === this.setId && vote.round === round) ?? [];
    return [...votes, ...marked.filter(({ stage }) => !votes.some((vote) => vote.stage === stage))];
  }
}
