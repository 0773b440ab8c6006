/** A work bench for kernels: tensors put into their memory one after the other, and words read back. */
import { type Kernels, RESERVED_BYTES } from '../../../src/compute/canonical/kernels.ts';

/** Any NaN equals any NaN: this is the word that stands for all of them. */
export const NAN_WORD = 0x7fc00000;

/** The word with any NaN made NAN_WORD. */
export function canonical(word: number): number {
  return (word & 0x7fffffff) > 0x7f800000 ? NAN_WORD : word >>> 0;
}

export class Bench {
  readonly kernels: Kernels;
  #next = RESERVED_BYTES;

  constructor(kernels: Kernels) {
    this.kernels = kernels;
  }

  /** Forgets every tensor. */
  clear(): void {
    this.#next = RESERVED_BYTES;
  }

  /** Room for n words, 16-byte aligned (plus `offset` words, to try other alignments). */
  room(n: number, offset = 0): number {
    const at = this.#next + 4 * offset;
    this.#next = (at + 4 * n + 31) & ~15;
    this.kernels.grow(this.#next);
    return at;
  }

  words(values: ArrayLike<number>, offset = 0): number {
    const at = this.room(values.length, offset);
    this.kernels.u32.set(values, at / 4);
    return at;
  }

  floats(values: ArrayLike<number>): number {
    const at = this.room(values.length);
    this.kernels.f32.set(values, at / 4);
    return at;
  }

  read(at: number, n: number): Uint32Array {
    return this.kernels.u32.slice(at / 4, at / 4 + n).map(canonical);
  }

  bytes(at: number, n: number): Uint8Array {
    return this.kernels.u8.slice(at, at + n);
  }
}
