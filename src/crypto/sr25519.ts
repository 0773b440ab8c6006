/**
 * # sr25519: Schnorr signatures over ristretto255 as schnorrkel makes them, context "substrate".
 *
 * Always true: `false` is the answer to every malformed key and signature, never an exception. The identity is no
 * public key: anybody could sign for it, and its account is the all-zero one, where users burn.
 */
import { __tests, getPublicKey, HDKD, secretFromSeed, sign, verify } from '@scure/sr25519';
import { assert } from '../base/assert.ts';
import { type Bytes, equal, fromLittleEndian, littleEndian } from '../base/bytes.ts';

// schnorrkel mixes this into nonces that the secret already determines; zeros make signing deterministic, so that a
// simulation gives the same bytes on every run.
const NO_ENTROPY = new Uint8Array(32);

/** The 64-byte secret (scalar, nonce) of a 32-byte mini secret, by ed25519-style expansion. */
export function sr25519Expand(miniSecret: Bytes): Bytes {
  return secretFromSeed(miniSecret);
}

/** The 32-byte public key of a 64-byte secret. */
export function sr25519PublicKey(secret: Bytes): Bytes {
  return getPublicKey(secret);
}

/** A 64-byte signature; deterministic. */
export function sr25519SignReference(secret: Bytes, message: Bytes): Bytes {
  return sign(secret, message, NO_ENTROPY);
}

/** The secret behind a hard junction: unrelated to its parent without the parent's secret. */
export function sr25519DeriveHard(secret: Bytes, chainCode: Bytes): Bytes {
  return HDKD.secretHard(secret, chainCode);
}

/**
 * The 32-byte mini secret that expands to `sr25519DeriveHard(secret, chainCode)`: what `subkey` shows as the seed of a
 * derived key. The library keeps it to itself, so its transcript is run again and the outcome compared.
 */
export function sr25519HardSeed(secret: Bytes, chainCode: Bytes): Bytes {
  // Stored secrets hold 8 times the scalar (ed25519's clamping); the transcript hashes the scalar.
  const scalar = littleEndian(fromLittleEndian(secret.subarray(0, 32)) >> 3n, 32);
  const transcript = new __tests.SigningContext('SchnorrRistrettoHDKD');
  transcript.bytes(new Uint8Array(0));
  transcript.appendMessage('chain-code', chainCode);
  transcript.appendMessage('secret-key', scalar);
  const seed = transcript.challengeBytes('HDKD-hard', 32);
  assert(equal(secretFromSeed(seed), sr25519DeriveHard(secret, chainCode)), 'the seed expands to the derived secret');
  return seed;
}

/** The secret behind a soft junction: its public key follows from the parent's public key. */
export function sr25519DeriveSoft(secret: Bytes, chainCode: Bytes): Bytes {
  return HDKD.secretSoft(secret, chainCode, NO_ENTROPY);
}

/** Whether `signature` is valid for `message` under `publicKey`. */
export function sr25519VerifyReference(signature: Bytes, message: Bytes, publicKey: Bytes): boolean {
  if (signature.length !== 64 || publicKey.length !== 32) return false;
  try {
    return verify(message, signature, publicKey);
  } catch {
    // @scure throws on what schnorrkel calls malformed: no marker bit, s beyond the order, no point.
    return false;
  }
}
