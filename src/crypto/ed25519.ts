/**
 * # ed25519: one verification rule for the whole network, ZIP-215.
 *
 * Always true: a signature is valid when the cofactored equation holds for whatever encodings of A and R decode, S
 * being below the group order (https://zips.z.cash/zip-0215). Other rules split a chain on hostile signatures.
 */
import { ed25519 } from '@noble/curves/ed25519.js';
import type { Bytes } from '../base/bytes.ts';

/** The 32-byte public key of a 32-byte seed. */
export function ed25519PublicKey(seed: Bytes): Bytes {
  return ed25519.getPublicKey(seed);
}

/** The 64-byte signature of RFC 8032: deterministic. */
export function ed25519SignReference(seed: Bytes, message: Bytes): Bytes {
  return ed25519.sign(message, seed);
}

/** Whether `signature` is valid by ZIP-215; false for keys and signatures of a wrong length. */
export function ed25519VerifyReference(signature: Bytes, message: Bytes, publicKey: Bytes): boolean {
  if (signature.length !== 64 || publicKey.length !== 32) return false;
  return ed25519.verify(signature, message, publicKey, { zip215: true });
}
