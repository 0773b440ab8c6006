/**
 * # Keystream: the public randomness that a seed unfolds into.
 *
 * Always true: byte p of KS(seed, tag) is byte p mod 64 of ChaCha20 block p div 64, key = seed, 96-bit nonce = tag and
 * eleven zero bytes, 32-bit block counter from 0. Source: RFC 8439, docs/spec/compute-pow.md section 4.
 */
import type { Bytes } from '../../base/bytes.ts';

const BLOCK = 64;
/** "expand 32-byte k". */
const CONSTANTS: readonly number[] = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574];

/** Bytes offset .. offset+length-1 of KS(seed, tag); seed has 32 bytes. */
export function keystream(seed: Bytes, tag: number, offset: number, length: number): Bytes {
  const state = new Uint32Array(16);
  state.set(CONSTANTS);
  const key = new DataView(seed.buffer, seed.byteOffset, 32);
  for (let i = 0; i < 8; i++) state[4 + i] = key.getUint32(4 * i, true);
  state[13] = tag;
  const first = Math.floor(offset / BLOCK);
  const blocks = Math.ceil((offset + length) / BLOCK) - first;
  const stream = new DataView(new ArrayBuffer(blocks * BLOCK));
  const mixed = new Uint32Array(16);
  for (let block = 0; block < blocks; block++) {
    state[12] = first + block;
    mixed.set(state);
    for (let round = 0; round < 10; round++) doubleRound(mixed);
    for (let i = 0; i < 16; i++) {
      stream.setUint32(block * BLOCK + 4 * i, ((mixed[i] as number) + (state[i] as number)) >>> 0, true);
    }
  }
  return new Uint8Array(stream.buffer, offset - first * BLOCK, length);
}

function doubleRound(x: Uint32Array): void {
  quarterRound(x, 0, 4, 8, 12);
  quarterRound(x, 1, 5, 9, 13);
  quarterRound(x, 2, 6, 10, 14);
  quarterRound(x, 3, 7, 11, 15);
  quarterRound(x, 0, 5, 10, 15);
  quarterRound(x, 1, 6, 11, 12);
  quarterRound(x, 2, 7, 8, 13);
  quarterRound(x, 3, 4, 9, 14);
}

function quarterRound(x: Uint32Array, a: number, b: number, c: number, d: number): void {
  let va = x[a] as number;
  let vb = x[b] as number;
  let vc = x[c] as number;
  let vd = x[d] as number;
  va = (va + vb) | 0;
  vd = rotate(vd ^ va, 16);
  vc = (vc + vd) | 0;
  vb = rotate(vb ^ vc, 12);
  va = (va + vb) | 0;
  vd = rotate(vd ^ va, 8);
  vc = (vc + vd) | 0;
  vb = rotate(vb ^ vc, 7);
  x[a] = va;
  x[b] = vb;
  x[c] = vc;
  x[d] = vd;
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
