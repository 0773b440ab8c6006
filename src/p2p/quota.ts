/**
 * # Quota: a rate with a burst, kept as one number per key (GCRA, the token bucket without its ticking).
 *
 * Always true: over any span of t milliseconds a key passes at most `burst + t * perSecond / 1000` times.
 */

/** At most this many keys are kept; a key whose bucket is full again costs nothing to forget. */
const MAX_KEYS = 4_096;

export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

export class Quota {
  /** When each key's bucket will be full again, in milliseconds. */
  private readonly full = new Map<string, number>();

  /**
   * Takes one, or `count`, from the key's bucket and returns how many milliseconds too early it comes: 0 while it holds
   * some. Beyond `maxWait` it takes nothing and returns Infinity.
   */
  take(key: string, rate: Rate, now: number, maxWait = 0, count = 1): number {
    const interval = 1_000 / rate.perSecond;
    const full = Math.max(this.full.get(key) ?? now, now) + interval * count;
    const wait = Math.max(0, full - now - interval * rate.burst);
    if (wait > maxWait) return Number.POSITIVE_INFINITY;
    if (!this.full.has(key) && this.full.size >= MAX_KEYS) this.sweep(now);
    this.full.set(key, full);
    return wait;
  }

  /** Keys that are kept. */
  get size(): number {
    return this.full.size;
  }

  /** Forgets full buckets; if every bucket is in use, the one that was opened first. */
  private sweep(now: number): void {
    for (const [key, full] of this.full) if (full <= now) this.full.delete(key);
    if (this.full.size < MAX_KEYS) return;
    const oldest = this.full.keys().next();
    if (!oldest.done) this.full.delete(oldest.value);
  }
}
