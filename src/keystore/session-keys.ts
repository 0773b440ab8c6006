/**
 * # Session keys: what a validator signs with, and how they are told to the chain: 96 bytes of three public keys.
 *
 * Always true: the order is that of the runtime's `SessionKeys`; new keys come from the system's randomness, and a set
 * is told only after all of it is on disk.
 */
import { randomBytes } from 'node:crypto';
import { type Bytes, concat, fromHex, toHex } from '../base/bytes.ts';
import type { Scheme } from '../crypto/verify.ts';
import type { Keystore } from './keystore.ts';

/** The key type in the keystore and the scheme, in the order in which `SessionKeys` holds them. */
const SESSION_KEYS = [
  { keyType: 'gran', scheme: 'ed25519' },
  { keyType: 'slot', scheme: 'sr25519' },
  { keyType: 'comp', scheme: 'ed25519' },
] as const satisfies readonly { readonly keyType: string; readonly scheme: Scheme }[];

const KEY_BYTES = 32;

/** The scheme that keys of a type must have; undefined where the owner chooses. */
export function fixedScheme(keyType: string): Scheme | undefined {
  if (keyType === 'chek') return 'ed25519';
  return SESSION_KEYS.find((one) => one.keyType === keyType)?.scheme;
}

/** Makes and keeps one key of each type. Returns their public keys, for `session.set_keys`. Throws KeystoreError. */
export async function rotateKeys(keystore: Keystore): Promise<Bytes> {
  const made: Bytes[] = [];
  for (const { keyType, scheme } of SESSION_KEYS) {
    const { publicKey } = await keystore.insert(keyType, scheme, toHex(new Uint8Array(randomBytes(KEY_BYTES))));
    made.push(fromHex(publicKey));
  }
  return concat(...made);
}

/** Whether every key of a set is here; undefined when the bytes are no set. */
export async function hasSessionKeys(keystore: Keystore, keys: Bytes): Promise<boolean | undefined> {
  if (keys.length !== SESSION_KEYS.length * KEY_BYTES) return undefined;
  const kept = await keystore.list();
  return SESSION_KEYS.every(({ keyType }, index) => {
    const publicKey = toHex(keys.subarray(index * KEY_BYTES, (index + 1) * KEY_BYTES));
    return kept.some((one) => one.keyType === keyType && one.publicKey === publicKey);
  });
}
