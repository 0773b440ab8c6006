/**
 * # ecdsa: recoverable secp256k1 signatures over BLAKE2b-256 of the message, as Substrate's accounts use them.
 *
 * Always true: an account is BLAKE2b-256 of the 33-byte compressed key, so that a signature is checked by recovering
 * the key. High S is accepted, as the host function `secp256k1_ecdsa_recover_compressed` (version 2) does.
 */
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { type Bytes, concat, equal } from '../base/bytes.ts';
import { blake2_256 } from './hash.ts';

/** The 33-byte compressed public key of a 32-byte secret. */
export function ecdsaPublicKey(secret: Bytes): Bytes {
  return secp256k1.getPublicKey(secret, true);
}

/** The account of a compressed public key. */
export function ecdsaAccount(publicKey: Bytes): Bytes {
  return blake2_256(publicKey);
}

/** 65 bytes: r, s, recovery id; deterministic (RFC 6979), low S. */
export function ecdsaSign(secret: Bytes, message: Bytes): Bytes {
  const signature = secp256k1.sign(blake2_256(message), secret, { prehash: false, format: 'recovered' });
  return concat(signature.subarray(1), signature.subarray(0, 1));
}

/** The compressed key that signed `message`, or undefined when no key did. */
export function ecdsaRecover(signature: Bytes, message: Bytes): Bytes | undefined {
  if (signature.length !== 65) return undefined;
  const last = signature[64] as number;
  // Ethereum's wallets write 27 and 28 for 0 and 1.
  const recovery = last > 26 ? last - 27 : last;
  if (recovery > 3) return undefined;
  try {
    const recovered = concat(Uint8Array.of(recovery), signature.subarray(0, 64));
    return secp256k1.recoverPublicKey(recovered, blake2_256(message), { prehash: false });
  } catch {
    // r or s out of range, or r is no point's x: no key signed this.
    return undefined;
  }
}

/** Whether the holder of this compressed key signed `message`. */
export function ecdsaVerifyReference(signature: Bytes, message: Bytes, publicKey: Bytes): boolean {
  const key = ecdsaRecover(signature, message);
  return key !== undefined && equal(key, publicKey);
}
