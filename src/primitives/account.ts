/**
 * # Account: who signs, and how a signature proves it.
 *
 * Always true: an account is 32 bytes, and only the key behind it (ecdsa: the key whose BLAKE2b-256 it is) makes a
 * MultiSignature that verifies. Paths and indices are those that clients look up in the metadata.
 */
import { type Bytes, equal } from '../base/bytes.ts';
import { bytes, type Codec, fixed, named, type Of, reshaped, unit, variant } from '../codec/index.ts';
import { ecdsaAccount, ecdsaRecover } from '../crypto/ecdsa.ts';
import type { Keypair } from '../crypto/keypair.ts';
import { verifySignature } from '../crypto/verify.ts';

/** 32 bytes. */
export const AccountId: Codec<Bytes> = named('sp_core::crypto::AccountId32', fixed(32));

// Compact<()>: takes no bytes; kept because clients expect the case.
const AccountIndex = reshaped({ kind: 'compact', of: unit.shape }, unit);

/** Where a call is sent. Only `Id` names an account on this chain; the others decode and find nobody. */
export const MultiAddress = variant(
  { Id: AccountId, Index: AccountIndex, Raw: bytes, Address32: fixed(32), Address20: fixed(20) },
  {
    path: 'sp_runtime::multiaddress::MultiAddress',
    params: [
      { name: 'AccountId', shape: AccountId.shape },
      { name: 'AccountIndex', shape: unit.shape },
    ],
  },
);
export type MultiAddress = Of<typeof MultiAddress>;

/** A signature that says its scheme. */
export const MultiSignature = variant(
  { Ed25519: fixed(64), Sr25519: fixed(64), Ecdsa: fixed(65) },
  { path: 'sp_runtime::MultiSignature' },
);
export type MultiSignature = Of<typeof MultiSignature>;

/** Whether the holder of `account` signed `message`. */
export function verifyMultiSignature(signature: MultiSignature, message: Bytes, account: Bytes): boolean {
  switch (signature.type) {
    case 'Ed25519':
      return verifySignature('ed25519', signature.value, message, account);
    case 'Sr25519':
      return verifySignature('sr25519', signature.value, message, account);
    case 'Ecdsa': {
      const key = ecdsaRecover(signature.value, message);
      return key !== undefined && equal(ecdsaAccount(key), account);
    }
  }
}

const SIGNATURE_OF = { ed25519: 'Ed25519', sr25519: 'Sr25519', ecdsa: 'Ecdsa' } as const;

/** The signature of `message` by a keypair, saying its scheme. */
export function multiSign(keypair: Keypair, message: Bytes): MultiSignature {
  return { type: SIGNATURE_OF[keypair.scheme], value: keypair.sign(message) };
}
