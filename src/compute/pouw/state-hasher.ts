/**
 * # State hasher: the root of a state where it lies, in the kernels' memory.
 *
 * Always true: the root is `stateRoot` of the same bytes; only time differs. A state of the dev job is 20.7 MB and a
 * fragment commits to 21 of them: on a core without SHA instructions the kernels' four lanes take 43 ms for one, the
 * host, leaf by leaf, 100.
 */
import { assert } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import { LEAF_BYTES, stateLeafCount, stateRoot } from '../canonical/state-root.ts';
import type { WasmKernels } from '../canonical/wasm.ts';
import { merkleLeaf } from '../merkle.ts';
import { type PouwCalls, pouwCalls } from './calls.ts';
import type { LeafHash } from './leaf-hash.ts';

const HASH_BYTES = 32;
/** A leaf's message is 00 || leaf, padded as SHA-256 pads it: 65 blocks. */
const BLOCKS = 65;
const STRIDE = BLOCKS * 64;
/** Leaves that are laid out at once: they and their copies stay in a core's cache. */
const GROUP = 32;

export class StateHasher {
  readonly #kernels: WasmKernels;
  readonly #calls: PouwCalls;
  readonly #scratch: number;
  readonly #hash: LeafHash | undefined;

  /** Uses memory from `scratch` (a multiple of 64) on, and grows it. `hash`: see fasterLeafHash. */
  constructor(kernels: WasmKernels, scratch: number, hash?: LeafHash) {
    assert(scratch % 64 === 0, 'scratch is aligned to 64 bytes');
    this.#kernels = kernels;
    this.#calls = pouwCalls(kernels.exports);
    this.#scratch = scratch;
    this.#hash = hash;
  }

  /** The root over `bytes` (at least one) from `at` on, which lie outside the scratch. */
  root(at: number, bytes: number): Bytes {
    if (this.#hash) return stateRoot([this.#kernels.u8.subarray(at, at + bytes)]);
    const leaves = stateLeafCount(bytes);
    const whole = Math.floor(bytes / LEAF_BYTES);
    const hashes = this.#scratch + GROUP * STRIDE;
    this.#kernels.grow(hashes + leaves * HASH_BYTES);
    const memory = this.#kernels.u8;
    for (let i = 0; i < GROUP; i++) pad(memory, this.#scratch + i * STRIDE);
    for (let first = 0; first < whole; first += GROUP) {
      const count = Math.min(GROUP, whole - first);
      for (let i = 0; i < count; i++) {
        const from = at + (first + i) * LEAF_BYTES;
        memory.copyWithin(this.#scratch + i * STRIDE + 1, from, from + LEAF_BYTES);
      }
      this.#calls.pouwHashes(hashes + first * HASH_BYTES, this.#scratch, STRIDE, count, BLOCKS);
    }
    if (leaves > whole) {
      const last = memory.subarray(at + whole * LEAF_BYTES, at + bytes);
      memory.set(merkleLeaf(last), hashes + whole * HASH_BYTES);
    }
    this.#calls.pouwRoot(hashes, leaves);
    return memory.slice(hashes, hashes + HASH_BYTES);
  }
}

/** Everything of a leaf's message but the leaf: its prefix, the bit after it, and its length in bits. */
function pad(memory: Bytes, message: number): void {
  memory.fill(0, message + 1 + LEAF_BYTES, message + STRIDE);
  memory[message] = 0;
  memory[message + 1 + LEAF_BYTES] = 0x80;
  new DataView(memory.buffer).setUint32(message + STRIDE - 4, (1 + LEAF_BYTES) * 8);
}
