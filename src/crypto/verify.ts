/**
 * # Verify: one answer per scheme, signature, message and key.
 *
 * Always true: each entry gives the answer of its plain reference on all inputs. `native/` may replace an entry once,
 * at start-up, by a faster one that passed a self-test against the reference.
 */
import type { Bytes } from '../base/bytes.ts';
import { ecdsaVerifyReference } from './ecdsa.ts';
import { ed25519VerifyReference } from './ed25519.ts';
import { sr25519VerifyReference } from './sr25519.ts';

export type Scheme = 'ed25519' | 'sr25519' | 'ecdsa';

/** Whether `publicKey` signed `message`; false, never an exception, for what is malformed. */
export type Verifier = (signature: Bytes, message: Bytes, publicKey: Bytes) => boolean;

export const referenceVerifiers: Readonly<Record<Scheme, Verifier>> = {
  ed25519: ed25519VerifyReference,
  sr25519: sr25519VerifyReference,
  ecdsa: ecdsaVerifyReference,
};

/** What verifySignature uses; `native/` overwrites entries with proven equals. */
export const activeVerifiers: Record<Scheme, Verifier> = { ...referenceVerifiers };

/** Whether `publicKey` (32 bytes; ecdsa: 33, compressed) signed `message` with this 64 (ecdsa: 65) byte signature. */
export function verifySignature(scheme: Scheme, signature: Bytes, message: Bytes, publicKey: Bytes): boolean {
  return activeVerifiers[scheme](signature, message, publicKey);
}
