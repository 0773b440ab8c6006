/**
 * # Dice: every draw of a simulation, from one seed.
 *
 * Always true: what a named stream draws depends on the seed and its name alone, so that a change in one part of a plan
 * leaves the draws of the others as they were, and a plan can be shrunk. Bits are Philox4x32-10.
 */
import { must } from '../base/assert.ts';
import { philox4x32 } from '../crypto/philox.ts';

const WORD = 2 ** 32;

export class Dice {
  private readonly seed: number;
  private readonly key: readonly [number, number];
  private readonly high: number;
  private drawn = 0;
  private words: readonly number[] = [];

  /** `seed`: a safe integer from 0 on. */
  constructor(seed: number, stream: string) {
    this.seed = seed;
    this.key = [seed >>> 0, nameHash(stream)];
    this.high = Math.floor(seed / WORD) >>> 0;
  }

  /** Another stream of the same seed. */
  stream(name: string): Dice {
    return new Dice(this.seed, name);
  }

  /** 32 bits. */
  word(): number {
    const at = this.drawn & 3;
    if (at === 0) this.words = philox4x32(this.key, [this.drawn >>> 0, Math.floor(this.drawn / WORD), this.high, 0]);
    this.drawn++;
    return this.words[at] as number;
  }

  /** An integer from 0 to n - 1. */
  below(n: number): number {
    return Math.floor((this.word() / WORD) * n);
  }

  /** An integer from low to high, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True in so many of a thousand cases. */
  permille(cases: number): boolean {
    return cases > 0 && this.below(1_000) < cases;
  }

  pick<T>(list: readonly T[]): T {
    return must(list[this.below(list.length)], 'a choice among something');
  }

  shuffled<T>(list: readonly T[]): T[] {
    const out = [...list];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [out[i], out[j]] = [out[j] as T, out[i] as T];
    }
    return out;
  }

  /** The time until something that happens once in `mean` on average, and has no memory. */
  wait(mean: number): number {
    return Math.ceil(-Math.log1p(-this.word() / WORD) * mean);
  }
}

/** FNV-1a: names of streams are few and short. */
function nameHash(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
