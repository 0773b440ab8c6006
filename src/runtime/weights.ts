/**
 * # Weights: what a call costs everybody who executes it.
 *
 * Always true: a block's weight is the sum of the weights declared by what it contains, and never beyond the class
 * limits. Time is picoseconds of a reference core, as in Substrate (10^12 a second); proof size is bytes and only
 * reported, since no one builds proofs of our blocks.
 */
import { min } from '../base/fixed.ts';
import { type Codec, compactU64, type Of, option, struct, u32, u64, unit, variant } from '../codec/index.ts';

export const Weight = struct(
  { ref_time: compactU64, proof_size: compactU64 },
  { path: 'sp_weights::weight_v2::Weight' },
);
export type Weight = Of<typeof Weight>;

export const DispatchClass = variant(
  { Normal: unit, Operational: unit, Mandatory: unit },
  { path: 'frame_support::dispatch::DispatchClass' },
);
export type ClassName = 'Normal' | 'Operational' | 'Mandatory';

export const Pays = variant({ Yes: unit, No: unit }, { path: 'frame_support::dispatch::Pays' });

// One read or write of the state, RocksDB's figures in Substrate: LevelDB's are of the same order (PERFORMANCE.md).
export const READ_PS = 25_000_000n;
export const WRITE_PS = 100_000_000n;
// Decoding, the extension pipeline and the events of one extrinsic, without its signature.
export const BASE_EXTRINSIC_PS = 100_000_000n;
// One sr25519 verification: 5,360 a second (PERFORMANCE.md).
export const SIGNATURE_WEIGHT: Weight = { ref_time: 187_000_000n, proof_size: 0n };
// The largest trie proof of one key in a state of 10^8 accounts.
const PROOF_BYTES_PER_KEY = 2_048n;

export const NO_WEIGHT: Weight = { ref_time: 0n, proof_size: 0n };

/** The weight of `reads` and `writes` of the state and `compute` picoseconds besides. */
export function rw(reads: number, writes: number, compute = 0n): Weight {
  return {
    ref_time: BigInt(reads) * READ_PS + BigInt(writes) * WRITE_PS + compute,
    proof_size: BigInt(reads) * PROOF_BYTES_PER_KEY,
  };
}

const U64_MAX = 0xffff_ffff_ffff_ffffn;

/** All weights together, at most what a weight can say: users name weights too. */
export function plus(...weights: readonly Weight[]): Weight {
  const sum = (of: keyof Weight) => weights.reduce((total, weight) => min(U64_MAX, total + weight[of]), 0n);
  return { ref_time: sum('ref_time'), proof_size: sum('proof_size') };
}

/** Whether a weight stays within another in both parts. */
export function within(weight: Weight, limit: Weight): boolean {
  return weight.ref_time <= limit.ref_time && weight.proof_size <= limit.proof_size;
}

/** One value for each class of calls. */
export function perClass<T>(of: Codec<T>): Codec<{ normal: T; operational: T; mandatory: T }> {
  const params = [{ name: 'T', shape: of.shape }];
  return struct(
    { normal: of, operational: of, mandatory: of },
    { path: 'frame_support::dispatch::PerDispatchClass', params },
  );
}

const ClassWeights = struct(
  {
    base_extrinsic: Weight,
    max_extrinsic: option(Weight),
    max_total: option(Weight),
    reserved: option(Weight),
  },
  { path: 'frame_system::limits::WeightsPerClass' },
);

export const BlockWeights = struct(
  { base_block: Weight, max_block: Weight, per_class: perClass(ClassWeights) },
  { path: 'frame_system::limits::BlockWeights' },
);
export type BlockWeights = Of<typeof BlockWeights>;

export const BlockLength = struct({ max: perClass(u32) }, { path: 'frame_system::limits::BlockLength' });
export const DbWeight = struct({ read: u64, write: u64 }, { path: 'sp_weights::RuntimeDbWeight' });

// Normal calls take at most three quarters of a block, so that a full block still admits operational ones.
const NORMAL_PERCENT = 75n;
const BASE_BLOCK_PS = 5_000_000_000n;
const ANY_PROOF = U64_MAX;

/** The limits of a block that may hold `maxPs` picoseconds of weight. */
export function blockWeights(maxPs: bigint): BlockWeights {
  const base = { ref_time: BASE_EXTRINSIC_PS, proof_size: 0n };
  const max = { ref_time: maxPs, proof_size: ANY_PROOF };
  const normal = { ref_time: (maxPs * NORMAL_PERCENT) / 100n, proof_size: ANY_PROOF };
  const reserved = { ref_time: maxPs - normal.ref_time, proof_size: 0n };
  const single = (total: Weight) => ({ ref_time: total.ref_time - BASE_BLOCK_PS, proof_size: total.proof_size });
  return {
    base_block: { ref_time: BASE_BLOCK_PS, proof_size: 0n },
    max_block: max,
    per_class: {
      normal: { base_extrinsic: base, max_extrinsic: single(normal), max_total: normal, reserved: NO_WEIGHT },
      operational: { base_extrinsic: base, max_extrinsic: single(max), max_total: max, reserved },
      mandatory: { base_extrinsic: base, max_extrinsic: undefined, max_total: undefined, reserved: undefined },
    },
  };
}
