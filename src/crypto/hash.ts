/**
 * # Hash: every hash of the protocol by its protocol name.
 *
 * Always true: each function equals the @noble reference on all inputs. `native/` may replace an entry once, at
 * start-up, by a faster function that passed a self-test against the reference; results never change, only speed.
 */
import { blake2b } from '@noble/hashes/blake2.js';
import { blake3 as nobleBlake3 } from '@noble/hashes/blake3.js';
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import type { Bytes } from '../base/bytes.ts';
import { twox64Reference } from './twox.ts';

export interface Hashes {
  blake2(data: Bytes, size: number): Bytes;
  sha256(data: Bytes): Bytes;
  blake3(data: Bytes): Bytes;
  blake3Keyed(key: Bytes, data: Bytes): Bytes;
  twox64(data: Bytes, seed: number): Bytes;
}

/** The plain reference of every hash. */
export const referenceHashes: Readonly<Hashes> = {
  blake2: (data, size) => blake2b(data, { dkLen: size }),
  sha256: (data) => nobleSha256(data),
  blake3: (data) => nobleBlake3(data),
  blake3Keyed: (key, data) => nobleBlake3(data, { key }),
  twox64: twox64Reference,
};

/** What the functions below use; `native/` overwrites entries with proven equals. */
export const activeHashes: Hashes = { ...referenceHashes };

/** BLAKE2b-256: block hashes, trie nodes, transaction hashes. RFC 7693. */
export const blake2_256 = (data: Bytes): Bytes => activeHashes.blake2(data, 32);
/** BLAKE2b-128, the hasher of Blake2_128Concat storage maps. */
export const blake2_128 = (data: Bytes): Bytes => activeHashes.blake2(data, 16);
/** BLAKE2b-64: runtime api ids. */
export const blake2_64 = (data: Bytes): Bytes => activeHashes.blake2(data, 8);
/** BLAKE2b-512: SS58 checksums. */
export const blake2_512 = (data: Bytes): Bytes => activeHashes.blake2(data, 64);
/** SHA-256: all Merkle trees of compute. FIPS 180-4. */
export const sha256 = (data: Bytes): Bytes => activeHashes.sha256(data);
/** BLAKE3, unkeyed. */
export const blake3 = (data: Bytes): Bytes => activeHashes.blake3(data);
/** BLAKE3 keyed with 32 bytes. */
export const blake3Keyed = (key: Bytes, data: Bytes): Bytes => activeHashes.blake3Keyed(key, data);

/** XXH64 with seeds 0 .. size/8-1, concatenated little-endian: the storage prefix hasher. */
export function twox(data: Bytes, size: 8 | 16 | 32): Bytes {
  const out = new Uint8Array(size);
  for (let seed = 0; seed < size / 8; seed++) out.set(activeHashes.twox64(data, seed), seed * 8);
  return out;
}
