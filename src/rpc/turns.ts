/**
 * # Turns: dear reads wait in one line, and everybody else is served between two slices of it.
 *
 * Always true: dear work runs in the order of arrival, at most SLICE_MS (or one piece of work) at a time, and the
 * event loop goes round in between. The line holds at most one call per connection and one piece per subscription, so
 * its length is bounded by the limits of the port.
 */
import { SLICE_MS } from './limits.ts';

export class Turns {
  #line: (() => void)[] = [];
  #next = 0;
  #isAwake = false;

  /** Runs `work` when its turn has come; resolves or rejects with what it gives. */
  run<T>(work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#line.push(() => {
        try {
          resolve(work());
        } catch (error) {
          reject(error);
        }
      });
      if (this.#isAwake) return;
      this.#isAwake = true;
      setImmediate(() => this.#slice());
    });
  }

  #slice(): void {
    const end = performance.now() + SLICE_MS;
    do this.#line[this.#next++]?.();
    while (this.#next < this.#line.length && performance.now() < end);
    if (this.#next >= this.#line.length) {
      this.#line = [];
      this.#next = 0;
      this.#isAwake = false;
      return;
    }
    // What was done is let go of in bulk: shifting an array of thousands each time would cost more than the work.
    if (this.#next > 1_024) {
      this.#line = this.#line.slice(this.#next);
      this.#next = 0;
    }
    setImmediate(() => this.#slice());
  }
}

/** Lets the event loop go round once. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
