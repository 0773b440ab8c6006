/**
 * # Keystream: the public randomness that a seed unfolds into.
 *
 * Always true: KS(seed, tag) is the ChaCha20 keystream of RFC 8439 with key = seed, nonce = tag and eleven zero bytes,
 * 32-bit block counter from 0. Source: docs/spec/compute-pow.md section 4.
 */
import type { Bytes } from '../../base/bytes.ts';
import { chacha20Keystream } from '../../crypto/chacha20.ts';

/** Bytes offset .. offset+length-1 of KS(seed, tag). All before them are generated too: m*r of an operand at most. */
export function keystream(seed: Bytes, tag: number, offset: number, length: number): Bytes {
  const nonce = new Uint8Array(12);
  nonce[0] = tag;
  return chacha20Keystream(seed, nonce, offset + length).subarray(offset);
}
