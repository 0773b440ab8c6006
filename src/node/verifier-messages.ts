/** # Verifier messages: claims for a thread as one byte string, and its verdicts, a byte each in the same order. */
import type { Bytes } from '../base/bytes.ts';
import { type Codec, bytes as scaleBytes, struct, vec } from '../codec/index.ts';
import { AccountId, MultiSignature, verifyMultiSignature } from '../primitives/account.ts';
import type { Claim } from './signatures.ts';

/** One buffer of its own: objects would be cloned one by one, a view together with all that it is a view of. */
export const Claims: Codec<Claim[]> = vec(
  struct({ signature: MultiSignature, message: scaleBytes, account: AccountId }),
);

export const VALID = 1;

/** VALID for each claim that is true, else 0. */
export function verdictsOn(claims: Bytes): Bytes {
  return Uint8Array.from(Claims.dec(claims), ({ signature, message, account }) =>
    verifyMultiSignature(signature, message, account) ? VALID : 0,
  );
}
