/**
 * # Host: what pallets ask of the world, injected.
 *
 * Always true: every function is pure and gives the same answer on every node; a faster host answers alike.
 */
import type { Bytes } from '../base/bytes.ts';
import { verifySignature } from '../crypto/verify.ts';
import { type MultiSignature, verifyMultiSignature } from '../primitives/account.ts';
import type { Referee } from './referee.ts';

export interface Host {
  /** Whether a MultiSignature of `account` over `message` is valid (docs/spec/runtime.md, signatures). */
  verify(signature: MultiSignature, message: Bytes, account: Bytes): boolean;
  /** Whether an ed25519 signature of a compute key is valid, by the ZIP-215 rule. */
  verifyEd25519(signature: Bytes, message: Bytes, key: Bytes): boolean;
  /** The mathematics of the work. */
  readonly referee: Referee;
}

/** The signatures of a host, as `src/crypto` checks them. */
export const SIGNATURES: Pick<Host, 'verify' | 'verifyEd25519'> = {
  verify: verifyMultiSignature,
  verifyEd25519: (signature, message, key) => verifySignature('ed25519', signature, message, key),
};
