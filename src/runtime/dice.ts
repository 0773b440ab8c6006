/**
 * # Dice: what a beacon decides, the same on every node.
 *
 * Always true: every outcome is equally likely over seeds; the words are BLAKE2b-256(seed || counter u32) in order,
 * eight little-endian u32 each, and a word above the last whole multiple is skipped (docs/spec/fragment.md).
 */
import { type Bytes, concat, fromLittleEndian, littleEndian } from '../base/bytes.ts';
import { blake2_256 } from '../crypto/hash.ts';

const WORD = 4;
const WORDS = 2 ** 32;

export class Dice {
  private readonly seed: Bytes;
  private block: Bytes = new Uint8Array(0);
  private counter = 0;
  private at = 0;

  constructor(seed: Bytes) {
    this.seed = seed;
  }

  /** A number of 0 .. n - 1, for n from 1 to 2^32. */
  below(n: number): number {
    const fair = WORDS - (WORDS % n);
    for (;;) {
      const word = this.word();
      if (word < fair) return word % n;
    }
  }

  /** `count` different numbers of 0 .. n - 1, in the order in which they were drawn. */
  distinct(count: number, n: number): number[] {
    return this.shuffled(Array.from({ length: n }, (_, i) => i)).slice(0, count);
  }

  /** The items in another order (Fisher and Yates, from the last place down). */
  shuffled<T>(items: readonly T[]): T[] {
    const out = [...items];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [out[i], out[j]] = [out[j] as T, out[i] as T];
    }
    return out;
  }

  private word(): number {
    if (this.at === this.block.length) {
      this.block = blake2_256(concat(this.seed, littleEndian(BigInt(this.counter++), WORD)));
      this.at = 0;
    }
    const word = this.block.subarray(this.at, this.at + WORD);
    this.at += WORD;
    return Number(fromLittleEndian(word));
  }
}
