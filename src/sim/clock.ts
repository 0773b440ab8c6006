/**
 * # Clock: virtual time: what is due next happens next, and nothing else moves time.
 *
 * Always true: of two things due at once the one asked for first happens first.
 */
import type { Millis } from '../consensus/difficulty.ts';

interface Due {
  readonly at: Millis;
  readonly order: number;
  readonly run: () => void;
}

export class Clock {
  now: Millis;
  private readonly heap: Due[] = [];
  private asked = 0;

  constructor(start: Millis) {
    this.now = start;
  }

  /** At a time, or at once when that is over. */
  at(time: Millis, run: () => void): void {
    const { heap } = this;
    const due = { at: Math.max(time, this.now), order: this.asked++, run };
    let place = heap.length;
    heap.push(due);
    while (place > 0) {
      const above = (place - 1) >> 1;
      if (isBefore(heap[above] as Due, due)) break;
      heap[place] = heap[above] as Due;
      place = above;
    }
    heap[place] = due;
  }

  after(ms: Millis, run: () => void): void {
    this.at(this.now + ms, run);
  }

  /** Does what is due next, unless that is after `end`; then it is `end`, and false. */
  step(end: Millis): boolean {
    const next = this.heap[0];
    if (next === undefined || next.at > end) {
      this.now = end;
      return false;
    }
    this.take();
    this.now = next.at;
    next.run();
    return true;
  }

  private take(): void {
    const { heap } = this;
    const last = heap.pop() as Due;
    if (heap.length === 0) return;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Due, heap[child] as Due)) child++;
      if (isBefore(last, heap[child] as Due)) break;
      heap[place] = heap[child] as Due;
      place = child;
    }
    heap[place] = last;
  }
}

function isBefore(a: Due, b: Due): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
