/**
 * # Keypair: something that signs, whatever the scheme; the secret stays inside.
 *
 * Always true: `sign` is deterministic, and `accountId` is the account that the public key controls (ed25519, sr25519:
 * the key itself; ecdsa: BLAKE2b-256 of it).
 */
import type { Bytes } from '../base/bytes.ts';
import { ecdsaAccount, ecdsaPublicKey, ecdsaSign } from './ecdsa.ts';
import { ed25519PublicKey, ed25519SignReference } from './ed25519.ts';
import { sr25519Expand, sr25519PublicKey, sr25519SignReference } from './sr25519.ts';
import type { Scheme } from './verify.ts';
import { type VrfSignature, vrfSign } from './vrf.ts';

export interface Keypair {
  readonly scheme: Scheme;
  /** 32 bytes; ecdsa: 33, compressed. */
  readonly publicKey: Bytes;
  readonly accountId: Bytes;
  /** 64 bytes; ecdsa: 65 with the recovery id. */
  sign(message: Bytes): Bytes;
  /** The key's random output for a message, with its proof; sr25519 alone has one. */
  vrf?(message: Bytes): VrfSignature;
}

type Signer = (secret: Bytes, publicKey: Bytes, message: Bytes) => Bytes;

/** How ed25519 seeds and sr25519 secrets sign; `native/` may install faster equals at start-up. */
export const activeSigner: { ed25519: Signer; sr25519: Signer } = {
  ed25519: (seed, _publicKey, message) => ed25519SignReference(seed, message),
  sr25519: (secret, _publicKey, message) => sr25519SignReference(secret, message),
};

/** The pair of a 32-byte seed. */
export function keypairFromSeed(scheme: Scheme, seed: Bytes): Keypair {
  switch (scheme) {
    case 'ed25519': {
      const publicKey = ed25519PublicKey(seed);
      const sign = (message: Bytes) => activeSigner.ed25519(seed, publicKey, message);
      return { scheme, publicKey, accountId: publicKey, sign };
    }
    case 'sr25519':
      return sr25519Keypair(sr25519Expand(seed));
    case 'ecdsa': {
      const publicKey = ecdsaPublicKey(seed);
      const sign = (message: Bytes) => ecdsaSign(seed, message);
      return { scheme, publicKey, accountId: ecdsaAccount(publicKey), sign };
    }
  }
}

/** The sr25519 pair of a 64-byte expanded secret. */
export function sr25519Keypair(secret: Bytes): Keypair {
  const publicKey = sr25519PublicKey(secret);
  const sign = (message: Bytes) => activeSigner.sr25519(secret, publicKey, message);
  const vrf = (message: Bytes) => vrfSign(secret, publicKey, message);
  return { scheme: 'sr25519', publicKey, accountId: publicKey, sign, vrf };
}
