/**
 * # Tree hasher: the root over 4,096-byte leaves, by the kernels.
 *
 * Always true: the root is `plainTreeRoot` of the same bytes; only time differs. A state of the dev job is 20.7 MB.
 * On a core without SHA instructions the kernels' eight lanes take 36 ms for it, joined to 256 bits 20, the host,
 * leaf by leaf, 100.
 */
import { assert } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { WasmKernels } from '../canonical/wasm.ts';
import { LEAF_BYTES, merkleLeaf } from '../merkle.ts';
import { type PouwCalls, pouwCalls } from './calls.ts';

const HASH_BYTES = 32;
/** A leaf's message is 00 || leaf, padded as SHA-256 pads it: 65 blocks. */
const BLOCKS = 65;
const STRIDE = BLOCKS * 64;
/** Leaves that are laid out at once: they and their copies stay in a core's cache. */
const GROUP = 32;

export class TreeHasher {
  readonly #kernels: WasmKernels;
  readonly #calls: PouwCalls;
  readonly #scratch: number;

  /** Uses the kernels' memory from `scratch` (a multiple of 64) on, and grows it. */
  constructor(kernels: WasmKernels, scratch: number) {
    assert(scratch % 64 === 0, 'scratch is aligned to 64 bytes');
    this.#kernels = kernels;
    this.#calls = pouwCalls(kernels.exports);
    this.#scratch = scratch;
  }

  /** The root over bytes (at least one) that lie elsewhere. */
  root(bytes: Bytes): Bytes {
    this.#reserve(bytes.length);
    return this.#root(bytes);
  }

  /** The root over `length` bytes (at least one) of the kernels' memory from `at` on, outside the scratch. */
  rootAt(at: number, length: number): Bytes {
    this.#reserve(length);
    return this.#root(this.#kernels.u8.subarray(at, at + length));
  }

  /** Grows the memory before anyone takes a view of it. */
  #reserve(length: number): void {
    this.#kernels.grow(this.#scratch + GROUP * STRIDE + Math.ceil(length / LEAF_BYTES) * HASH_BYTES);
  }

  #root(bytes: Bytes): Bytes {
    const memory = this.#kernels.u8;
    const hashes = this.#scratch + GROUP * STRIDE;
    const leaves = Math.ceil(bytes.length / LEAF_BYTES);
    const whole = Math.floor(bytes.length / LEAF_BYTES);
    for (let i = 0; i < Math.min(GROUP, whole); i++) pad(memory, this.#scratch + i * STRIDE);
    for (let first = 0; first < whole; first += GROUP) {
      const count = Math.min(GROUP, whole - first);
      for (let i = 0; i < count; i++) {
        const from = (first + i) * LEAF_BYTES;
        memory.set(bytes.subarray(from, from + LEAF_BYTES), this.#scratch + i * STRIDE + 1);
      }
      this.#calls.pouwHashes(hashes + first * HASH_BYTES, this.#scratch, STRIDE, count, BLOCKS);
    }
    if (leaves > whole) memory.set(merkleLeaf(bytes.subarray(whole * LEAF_BYTES)), hashes + whole * HASH_BYTES);
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
