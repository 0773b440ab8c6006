/**
 * # VRF: randomness that one key alone can draw and everybody can check: sr25519's, as schnorrkel makes it.
 *
 * Always true: a key has exactly one output for a message, which nobody can foretell without its secret; `false` is the
 * answer to everything malformed, never an exception. Context and extra are empty: messages carry a tag of their own.
 */
import { vrf } from '@scure/sr25519';
import { type Bytes, concat } from '../base/bytes.ts';

export interface VrfSignature {
  /** 32 bytes: a ristretto255 point, in the one encoding that it has. */
  readonly output: Bytes;
  /** 64 bytes: challenge and response of the proof that the key made the output. */
  readonly proof: Bytes;
}

export type VrfVerifier = (signature: VrfSignature, message: Bytes, publicKey: Bytes) => boolean;

export interface Vrf {
  /** Deterministic; `secret` is the 64 bytes of which `publicKey` is the public half. */
  sign(secret: Bytes, publicKey: Bytes, message: Bytes): VrfSignature;
  readonly verify: VrfVerifier;
}

const NOTHING = new Uint8Array(0);
// As for signatures (sr25519.ts): zeros instead of entropy make a simulation repeatable.
const NO_ENTROPY = new Uint8Array(32);
const OUTPUT_BYTES = 32;
const PROOF_BYTES = 64;

export const referenceVrf: Vrf = {
  sign(secret, _publicKey, message) {
    const signed = vrf.sign(message, secret, NOTHING, NOTHING, NO_ENTROPY);
    return { output: signed.slice(0, OUTPUT_BYTES), proof: signed.slice(OUTPUT_BYTES) };
  },
  verify({ output, proof }, message, publicKey) {
    if (output.length !== OUTPUT_BYTES || proof.length !== PROOF_BYTES || publicKey.length !== 32) return false;
    try {
      return vrf.verify(message, concat(output, proof), publicKey);
    } catch {
      // @scure throws on what schnorrkel calls malformed: no point, the identity, a scalar beyond the order.
      return false;
    }
  },
};

/** What vrfSign and vrfVerify use; `native/` may put a proven equal here at start-up. */
export const activeVrf: { sign: Vrf['sign']; verify: Vrf['verify'] } = { ...referenceVrf };

/** The output of a 64-byte secret for a message, with its proof; deterministic. */
export function vrfSign(secret: Bytes, publicKey: Bytes, message: Bytes): VrfSignature {
  return activeVrf.sign(secret, publicKey, message);
}

/** Whether the output is that of this 32-byte public key for the message. */
export function vrfVerify(signature: VrfSignature, message: Bytes, publicKey: Bytes): boolean {
  return activeVrf.verify(signature, message, publicKey);
}
