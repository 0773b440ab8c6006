/**
 * # Rate: how many calls a connection may make.
 *
 * Always true: at most `perMinute` calls at once, and as many a minute in the long run; a refusal costs nothing.
 */

const MINUTE_MS = 60_000;

export class Rate {
  readonly #perMinute: number;
  #left: number;
  #at: number;

  /** `now` in milliseconds of a clock that does not go back. */
  constructor(perMinute: number, now: number) {
    this.#perMinute = perMinute;
    this.#left = perMinute;
    this.#at = now;
  }

  /** Whether one more call may be made now; if so, it is counted. */
  take(now: number): boolean {
    const earned = ((now - this.#at) * this.#perMinute) / MINUTE_MS;
    this.#left = Math.min(this.#perMinute, this.#left + earned);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
