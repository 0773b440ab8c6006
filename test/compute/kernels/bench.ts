/** A work bench for kernels: tensors put into their memory one after the other, and words read back. */
import { type Kernels, RESERVED_BYTES } from '../../../src/compute/canonical/kernels.ts';

/** Any NaN equals any NaN: this is the word that stands for all of them. */
const NAN_WORD = 0x7fc00000;

/** The word with any NaN made NAN_WORD. */
export function canonical(word: number): number {
  return (word & 0x7fffffff) > 0x7f800000 ? NAN_WORD : word >>> 0;
}

/** Words beyond each tensor that no kernel may touch, and what stands in them. */
const GUARDS = 4;
const GUARD_WORD = 0xdeadbeef;

export class Bench {
  readonly kernels: Kernels;
  #next = RESERVED_BYTES;
  #guards: number[] = [];

  constructor(kernels: Kernels) {
    this.kernels = kernels;
  }

  /** Forgets every tensor. */
  clear(): void {
    this.#next = RESERVED_BYTES;
    this.#guards = [];
  }

  /** Throws if a kernel wrote beyond a tensor. */
  #intact(): void {
    for (const at of this.#guards) {
      const words = this.kernels.u32.subarray(at / 4, at / 4 + GUARDS);
      if (!words.every((word) => word === GUARD_WORD)) throw new Error(`a kernel wrote beyond the tensor before ${at}`);
    }
  }

  /** Room for n words, 16-byte aligned (plus `offset` words, to try other alignments). */
  room(n: number, offset = 0): number {
    const at = this.#next + 4 * offset;
    const end = at + 4 * Math.ceil(n);
    this.#next = (end + 4 * GUARDS + 15) & ~15;
    this.kernels.grow(this.#next);
    this.kernels.u32.fill(GUARD_WORD, end / 4, end / 4 + GUARDS);
    this.#guards.push(end);
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
    this.#intact();
    return this.kernels.u32.slice(at / 4, at / 4 + n).map(canonical);
  }

  bytes(at: number, n: number): Uint8Array {
    return this.kernels.u8.slice(at, at + n);
  }
}
