/**
 * # Watermark: how far the holder of a key has voted, told in a file that outlives the database.
 *
 * Always true: a mark only rises; it holds the last six votes of its key, and with them all of the last two rounds that
 * the key spoke in, so that a voter whose database is older than its votes can say them again: without them a round
 * that needs his vote would never end, since nobody else repeats it and another one he must not cast.
 */
import type { Bytes } from '../../base/bytes.ts';
import type { GrandpaStage } from '../../primitives/justification.ts';
import type { SignedVote } from './round.ts';

/** The last vote that a key signed: it signs nothing at or below this again, whatever its database says. */
export interface Watermark {
  /** The ed25519 key. */
  readonly id: Bytes;
  readonly setId: bigint;
  readonly round: bigint;
  readonly stage: GrandpaStage;
  /** Its last votes, at most MAX_MARK_VOTES, the newest last. */
  readonly votes: readonly SignedVote[];
}

/** The order in which one voter speaks in a round. */
const STAGES: readonly GrandpaStage[] = ['primaryPropose', 'prevote', 'precommit'];
/** Two rounds of a primary, three of others: whoever is further behind learns how rounds ended from others. */
export const MAX_MARK_VOTES = 2 * STAGES.length;

type Place = Pick<Watermark, 'setId' | 'round' | 'stage'>;

/** Whether a vote here would come after one there: in a later set, round or stage. */
export function isAbove(here: Place, there: Place): boolean {
  if (here.setId !== there.setId) return here.setId > there.setId;
  if (here.round !== there.round) return here.round > there.round;
  return STAGES.indexOf(here.stage) > STAGES.indexOf(there.stage);
}

/** The mark once this vote is signed too, which must be above it. */
export function raised(mark: Watermark | undefined, vote: SignedVote): Watermark {
  const { id, setId, round, stage } = vote;
  return { id, setId, round, stage, votes: [...(mark?.votes ?? []), vote].slice(-MAX_MARK_VOTES) };
}
