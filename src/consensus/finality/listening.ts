/**
 * # Listening: a voter that has just started hears whether somebody else votes with its key before it votes itself.
 *
 * Always true: it begins silent and ends so after two rounds' time, LISTEN, from the first vote of others on, and after
 * twice that at most, so that voters who all start at once do not wait for each other for ever. A vote of our key that
 * we did not cast silences us through its round. It may be our own of an earlier life whose disk is lost: then we only
 * listen anew. It is somebody else's where we have voted already, or where it keeps going on through rounds: then we
 * say nothing more in this set. It holds five numbers, whatever is heard.
 */
import type { Millis } from '../difficulty.ts';

/** In T: two rounds, in which a voter that lives repeats what it said twice. */
const LISTEN = 8;
/** An earlier life had votes in two open rounds and perhaps the next: who votes above these is alive. */
const EARLIER_ROUNDS = 2n;

/** What a vote of our key that we did not cast shows: `earlier`: of a lost disk perhaps; `twin`: somebody else. */
export type Foreign = 'earlier' | 'twin';

export class Listening {
  private readonly listenMs: Millis;
  private readonly latest: Millis;
  /** This process has voted, here or in a set before. */
  private hasSpoken: boolean;
  private quietUntil: Millis;
  private hasHeard = false;
  private silentThrough = 0n;
  private firstForeign: bigint | undefined;
  private last: Foreign | undefined;

  /** `hasSpoken`: nothing is left to be heard of an earlier life, for this one has listened before. */
  constructor(now: Millis, gossipMs: Millis, hasSpoken: boolean) {
    this.listenMs = LISTEN * gossipMs;
    this.latest = now + 2 * this.listenMs;
    this.hasSpoken = hasSpoken;
    this.quietUntil = hasSpoken ? now : now + this.listenMs;
  }

  /** When it ends, by time alone. */
  get until(): Millis {
    return this.quietUntil;
  }

  maySpeak(now: Millis, round: bigint): boolean {
    return this.last !== 'twin' && now >= this.quietUntil && round > this.silentThrough;
  }

  /** Whether it hears before it speaks: what it said in an earlier life is not said again either. */
  isListening(now: Millis): boolean {
    return !this.hasSpoken && now < this.quietUntil;
  }

  spoke(): void {
    this.hasSpoken = true;
  }

  /** A vote of somebody else: from now on a vote of ours would be heard too. */
  heardOther(now: Millis): void {
    if (this.hasHeard || now >= this.quietUntil) return;
    this.hasHeard = true;
    this.quietUntil = Math.max(this.quietUntil, Math.min(now + this.listenMs, this.latest));
  }

  /** A vote that we know as ours, from outside: of a copy of this disk perhaps. Anybody can repeat it: not for ever. */
  heardEcho(now: Millis): void {
    if (!this.isListening(now)) return;
    this.quietUntil = Math.max(this.quietUntil, Math.min(now + this.listenMs, this.latest));
  }

  /** A vote of our key that we did not cast. Returns what it shows, where that is news. */
  heardForeign(now: Millis, round: bigint): Foreign | undefined {
    if (round > this.silentThrough) this.silentThrough = round;
    this.firstForeign ??= round;
    const found = this.hasSpoken || round > this.firstForeign + EARLIER_ROUNDS ? 'twin' : 'earlier';
    if (found === 'earlier') this.quietUntil = Math.max(this.quietUntil, now + this.listenMs);
    if (this.last === found || this.last === 'twin') return undefined;
    this.last = found;
    return found;
  }
}
