/**
 * # Leaf hash: who hashes an operand's leaves, the kernels or the host.
 *
 * Always true: both give the same hashes; only time decides. A step of the dev job hashes 12 MB: a host with SHA
 * instructions does 1.7 GB/s and wins, one without does 0.25 GB/s and loses to the kernels' eight lanes (0.58 GB/s, and
 * 1.03 where the compiler joins them to 256 bits).
 */
import type { Bytes } from '../../base/bytes.ts';
import type { WasmKernels } from '../canonical/wasm.ts';
import { pouwCalls } from './calls.ts';

/** A hash of one leaf's message (00 || panel) by the host. */
export type LeafHash = (message: Bytes) => Bytes;

// Leaves of profile 0: 4,097 bytes, padded to 65 blocks.
const MESSAGE_BYTES = 4097;
const STRIDE = 4176;
const BLOCKS = 65;
const LEAVES = 16;
/** The engine optimises a kernel while it runs: after 60 rounds (about 20 ms) both are as fast as they get. */
const ROUNDS = 100;
/** Bytes of scratch for a comparison. */
export const LEAF_HASH_SCRATCH = LEAVES * (STRIDE + 32);

/**
 * `hash` if it is faster than the kernels on this machine by the clock `now` (milliseconds), else undefined, which is
 * what MinedGemm takes. Uses `scratch .. scratch + LEAF_HASH_SCRATCH` of the memory; about 50 ms.
 */
export function fasterLeafHash(
  kernels: WasmKernels,
  scratch: number,
  hash: LeafHash,
  now: () => number,
): LeafHash | undefined {
  const calls = pouwCalls(kernels.exports);
  kernels.grow(scratch + LEAF_HASH_SCRATCH);
  const out = scratch + LEAVES * STRIDE;
  let byKernels = Number.POSITIVE_INFINITY;
  let byHost = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const started = now();
    calls.pouwHashes(out, scratch, STRIDE, LEAVES, BLOCKS);
    const between = now();
    for (let leaf = 0; leaf < LEAVES; leaf++) {
      const from = scratch + leaf * STRIDE;
      kernels.u8.set(hash(kernels.u8.subarray(from, from + MESSAGE_BYTES)), out + 32 * leaf);
    }
    const ended = now();
    byKernels = Math.min(byKernels, between - started);
    byHost = Math.min(byHost, ended - between);
  }
  return byHost < byKernels ? hash : undefined;
}
