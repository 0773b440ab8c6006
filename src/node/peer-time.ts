/**
 * # Peer time: what the clocks of others say of ours.
 *
 * Always true: it knows one number of each peer that was heard, and forgets it when the peer leaves; the driver tells
 * it only of peers that this node chose itself, so that nobody gets a word in by connecting. A judgement needs
 * LEAST_PEERS, and changes only well beyond where it last did: a clock at an edge does not turn anything on and off.
 */
import type { Millis } from '../consensus/difficulty.ts';
import { MAX_DRIFT_MS } from '../consensus/rules.ts';
import type { PeerId } from '../sync/messages.ts';

/** Of so many the median is worth something: one who lies does not move it beyond an honest one. */
const LEAST_PEERS = 3;
/** Beyond this the operator is told. */
const OFF_MS = 2_000;
/** An answer that took longer says too little about when it was given. */
const MAX_TRIP_MS = 1_000;
/** Beyond this others refuse what bears our time. */
const WRONG_MS = MAX_DRIFT_MS;

/** `off`: somebody should look at the clock; `wrong`: blocks that bear its time are of no use. */
export type ClockState = 'right' | 'off' | 'wrong';

/** When a question was asked and its answer came, of our own clock on the wall, and what the peer's said in between. */
export interface Heard {
  readonly asked: Millis;
  readonly answered: Millis;
  readonly theirs: Millis;
}

export class PeerTime {
  private readonly ahead = new Map<PeerId, Millis>();
  private last: ClockState = 'right';

  heard(peer: PeerId, { asked, answered, theirs }: Heard): void {
    const trip = answered - asked;
    if (trip < 0 || trip > MAX_TRIP_MS) return;
    this.ahead.set(peer, theirs - (asked + Math.floor(trip / 2)));
  }

  left(peer: PeerId): void {
    this.ahead.delete(peer);
  }

  /** Our clock was set: so much later it says now. */
  wasSet(by: Millis): void {
    for (const [peer, ahead] of this.ahead) this.ahead.set(peer, ahead - by);
  }

  /** How far the clocks of others are ahead of ours: their median; undefined where too few are known. */
  get skew(): Millis | undefined {
    const all = [...this.ahead.values()].sort((a, b) => a - b);
    return all.length < LEAST_PEERS ? undefined : all[Math.floor(all.length / 2)];
  }

  /** What the peers that are known now make of our clock; as before where they are too few. */
  judge(): ClockState {
    const skew = this.skew;
    if (skew === undefined) return this.last;
    this.last = stateOf(this.last, Math.abs(skew));
    return this.last;
  }
}

/** Half of an edge must be reached before it counts as crossed back. */
function stateOf(before: ClockState, off: Millis): ClockState {
  if (off > WRONG_MS || (before === 'wrong' && off > WRONG_MS / 2)) return 'wrong';
  return off > OFF_MS || (before !== 'right' && off > OFF_MS / 2) ? 'off' : 'right';
}
