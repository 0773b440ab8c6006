/**
 * # Bans: what the pool does not look at again for a while, and peers that send too much.
 *
 * Always true: both tables are bounded; the oldest ban is forgotten first, and a peer's allowance refills with time.
 */

/** Milliseconds of a monotonic clock. */
export type Millis = number;

/** Half an hour, as in Substrate: an extrinsic that became invalid seldom becomes valid again. */
export const BAN_MS = 30 * 60 * 1000;
const MAX_BANS = 16_384;

/** Extrinsics of a peer that are validated per second, and at most at once: 200 x 0.2 ms is 4 % of a core. */
const RATE_PER_SECOND = 200;
const BURST = 1_000;
const MAX_ALLOWANCES = 256;

export class Bans {
  private readonly until = new Map<string, Millis>();
  private readonly allowances = new Map<string, { left: number; at: Millis }>();

  ban(now: Millis, key: string): void {
    this.until.delete(key);
    this.until.set(key, now + BAN_MS);
    for (const [oldest, until] of this.until) {
      if (until > now && this.until.size <= MAX_BANS) break;
      this.until.delete(oldest);
    }
  }

  isBanned(now: Millis, key: string): boolean {
    const until = this.until.get(key);
    return until !== undefined && until > now;
  }

  /** Whether a peer may have one more extrinsic validated now. */
  allows(now: Millis, peer: string): boolean {
    const allowance = this.allowances.get(peer) ?? { left: BURST, at: now };
    const refill = Math.floor(((now - allowance.at) * RATE_PER_SECOND) / 1000);
    if (refill > 0) {
      allowance.left = Math.min(BURST, allowance.left + refill);
      allowance.at = now;
    }
    if (!this.allowances.has(peer)) this.allowances.set(peer, allowance);
    if (this.allowances.size > MAX_ALLOWANCES) {
      const [oldest] = this.allowances.keys();
      if (oldest !== undefined) this.allowances.delete(oldest);
    }
    if (allowance.left === 0) return false;
    allowance.left--;
    return true;
  }
}
