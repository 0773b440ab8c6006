/**
 * # Arena: addresses for storages that come and go, by best fit.
 *
 * Always true: two blocks that are held at the same time do not overlap; addresses depend on the sequence of calls
 * alone; `peak` is the end of the highest block there ever was.
 */
import { assert } from '../../base/assert.ts';

/** Vector kernels are fastest at multiples of 16; a cache line is 64. */
const ALIGNMENT = 64;

export interface Block {
  readonly at: number;
  readonly bytes: number;
}

export class Arena {
  /** Free runs below `peak`, ascending and never adjacent. */
  #free: Block[] = [];
  peak: number;

  constructor(base: number) {
    this.peak = align(base);
  }

  take(wanted: number): Block {
    const bytes = align(Math.max(wanted, 1));
    let best = -1;
    for (let i = 0; i < this.#free.length; i++) {
      const size = (this.#free[i] as Block).bytes;
      if (size >= bytes && (best < 0 || size < (this.#free[best] as Block).bytes)) best = i;
    }
    if (best >= 0) {
      const run = this.#free[best] as Block;
      const rest = { at: run.at + bytes, bytes: run.bytes - bytes };
      this.#free.splice(best, 1, ...(rest.bytes > 0 ? [rest] : []));
      return { at: run.at, bytes };
    }
    // The last run may touch the peak: grow from there.
    const last = this.#free.at(-1);
    const at = last !== undefined && last.at + last.bytes === this.peak ? last.at : this.peak;
    if (at !== this.peak) this.#free.pop();
    this.peak = at + bytes;
    return { at, bytes };
  }

  give(block: Block): void {
    let i = 0;
    while (i < this.#free.length && (this.#free[i] as Block).at < block.at) i++;
    let { at, bytes } = block;
    const before = this.#free[i - 1];
    const after = this.#free[i];
    assert(before === undefined || before.at + before.bytes <= at, 'a block is given back once');
    if (after !== undefined && at + bytes === after.at) {
      bytes += after.bytes;
      this.#free.splice(i, 1);
    }
    if (before !== undefined && before.at + before.bytes === at) {
      at = before.at;
      bytes += before.bytes;
      i--;
      this.#free.splice(i, 1);
    }
    this.#free.splice(i, 0, { at, bytes });
  }
}

export function align(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}
