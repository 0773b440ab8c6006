/**
 * # Fragment: what the chain fixes of a miner's share of a round, so that the miner chooses nothing.
 *
 * Always true: a step's seed follows from (randomness, job, r, k, t) alone, and its records from its seed.
 * Steps count t = 1..H (docs/spec/fragment.md).
 */
import { type Bytes, concat, littleEndian, utf8 } from '../base/bytes.ts';
import { blake2_256 } from '../crypto/hash.ts';

const FRAGMENT = utf8('cpow/1/fragment');
const STEP = utf8('cpow/1/step');

/** Where a fragment stands: all values are settled, so no reorganisation changes it. */
export interface FragmentSeed {
  readonly job: Bytes;
  readonly r: number;
  readonly k: number;
  readonly randomness: Bytes;
}

const u32 = (value: number): Bytes => littleEndian(BigInt(value), 4);

/** The id under which a fragment stands in state and in a block's PreRuntime. */
export function fragmentId(seed: FragmentSeed, miner: Bytes): Bytes {
  return blake2_256(concat(FRAGMENT, seed.job, u32(seed.r), u32(seed.k), miner, seed.randomness));
}

/** The seed of step t: record indices, stochastic rounding and nothing else hang on it. */
export function stepSeed(seed: FragmentSeed, t: number): Bytes {
  return blake2_256(concat(STEP, seed.randomness, seed.job, u32(seed.r), u32(seed.k), u32(t)));
}

/** A checker's receipt: binds him to the operand digest before the verdict shows it. */
export function receiptOf(account: Bytes, salt: Bytes, digest: Bytes): Bytes {
  return blake2_256(concat(account, salt, digest));
}
