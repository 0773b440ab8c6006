/** # Loaders: where each fast path comes from; none of them is trusted before `install.ts` compared it. */
import { createCipheriv, hash } from 'node:crypto';
import type { Bytes } from '../../base/bytes.ts';
import { chacha20KeystreamReference, type Keystream } from '../chacha20.ts';
import { ed25519VerifyReference } from '../ed25519.ts';
import { type Hashes, referenceHashes } from '../hash.ts';
import type { Verifier } from '../verify.ts';
import { Ristretto } from './ristretto.ts';
import { loadSchnorrkel } from './schnorrkel.ts';

export type Ed25519Signer = (seed: Bytes, publicKey: Bytes, message: Bytes) => Bytes;

export interface Loaders {
  blake2(): Promise<Hashes['blake2']>;
  sha256(): Promise<Hashes['sha256']>;
  blake3(): Promise<Pick<Hashes, 'blake3' | 'blake3Keyed'>>;
  twox64(): Promise<Hashes['twox64']>;
  chacha20(): Promise<Keystream>;
  ed25519(): Promise<Verifier>;
  ed25519Signer(): Promise<Ed25519Signer>;
  sr25519(): Promise<Verifier>;
  sr25519Group(): Promise<Ristretto>;
}

const SODIUM_MIN_HASH = 16;
// Below this a cipher object costs more than the plain blocks do.
const MIN_CIPHER_BYTES = 2_048;

export const LOADERS: Readonly<Loaders> = {
  async blake2() {
    const { default: sodium } = await import('sodium-native');
    return (data, size) => {
      if (size < SODIUM_MIN_HASH) return referenceHashes.blake2(data, size);
      const out = new Uint8Array(size);
      sodium.crypto_generichash(out, data);
      return out;
    };
  },

  async sha256() {
    return (data) => new Uint8Array(hash('sha256', data, 'buffer'));
  },

  async blake3() {
    const { createBLAKE3 } = await import('hash-wasm');
    const plain = await createBLAKE3(256);
    // The hasher reads its key anew at every init(): one hasher serves all keys. The self-test would notice if not.
    const key = new Uint8Array(32);
    const keyed = await createBLAKE3(256, key);
    return {
      blake3: (data) => plain.init().update(data).digest('binary'),
      blake3Keyed: (by, data) => {
        key.set(by);
        return keyed.init().update(data).digest('binary');
      },
    };
  },

  async twox64() {
    const { default: xxhash } = await import('xxhash-wasm');
    const { h64Raw } = await xxhash();
    return (data, seed) => {
      const out = new Uint8Array(8);
      new DataView(out.buffer).setBigUint64(0, h64Raw(data, BigInt(seed)), true);
      return out;
    };
  },

  async chacha20() {
    return (key, nonce, length) => {
      if (length < MIN_CIPHER_BYTES) return chacha20KeystreamReference(key, nonce, length);
      // OpenSSL's IV is the 32-bit block counter, little-endian, then the nonce.
      const iv = new Uint8Array(16);
      iv.set(nonce, 4);
      return new Uint8Array(createCipheriv('chacha20', key, iv).update(new Uint8Array(length)));
    };
  },

  async ed25519() {
    const { default: sodium } = await import('sodium-native');
    // libsodium accepts a subset of ZIP-215: its yes is final, its no is not.
    return (signature, message, publicKey) => {
      if (signature.length !== 64 || publicKey.length !== 32) return false;
      return (
        sodium.crypto_sign_verify_detached(signature, message, publicKey) ||
        ed25519VerifyReference(signature, message, publicKey)
      );
    };
  },

  async ed25519Signer() {
    const { default: sodium } = await import('sodium-native');
    return (seed, publicKey, message) => {
      const secretKey = new Uint8Array(64);
      secretKey.set(seed);
      secretKey.set(publicKey, 32);
      const signature = new Uint8Array(64);
      sodium.crypto_sign_detached(signature, message, secretKey);
      return signature;
    };
  },

  sr25519: loadSchnorrkel,

  async sr25519Group() {
    const { default: sodium } = await import('sodium-native');
    return new Ristretto(sodium);
  },
};
