/**
 * # Session keys: what a validator signs with, and how they are told to the chain: 96 bytes of three public keys, and
 * the proof that the owner's node holds them.
 *
 * Always true: the order is that of the runtime's `SessionKeys`; new keys come from the system's randomness, and a set
 * is told only after all of it is on disk. A key signs nothing for an owner but the message of ownership.
 */
import { randomBytes } from 'node:crypto';
import { type Bytes, concat, toHex } from '../base/bytes.ts';
import type { Keypair } from '../crypto/keypair.ts';
import { keypairFromSuri } from '../crypto/suri.ts';
import type { Scheme } from '../crypto/verify.ts';
import { ownershipMessage, SessionKeys } from '../runtime/pallets/session/keys.ts';
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
  return publicKeys(await makeKeys(keystore));
}

/** The arguments of `session.set_keys`. */
export interface OwnedKeys {
  readonly keys: Bytes;
  /** A signature of each key, in their order: 192 bytes. */
  readonly proof: Bytes;
}

/** As `rotateKeys`, with the proof by which the account `owner` may name the keys its own on this chain. */
export async function rotateKeysWithOwner(keystore: Keystore, genesis: Bytes, owner: Bytes): Promise<OwnedKeys> {
  const made = await makeKeys(keystore);
  const keys = publicKeys(made);
  const message = ownershipMessage(genesis, owner, SessionKeys.dec(keys));
  return { keys, proof: concat(...made.map((pair) => pair.sign(message))) };
}

async function makeKeys(keystore: Keystore): Promise<Keypair[]> {
  const made: Keypair[] = [];
  for (const { keyType, scheme } of SESSION_KEYS) {
    const suri = toHex(new Uint8Array(randomBytes(KEY_BYTES)));
    await keystore.insert(keyType, scheme, suri);
    made.push(keypairFromSuri(suri, scheme));
  }
  return made;
}

function publicKeys(made: readonly Keypair[]): Bytes {
  return concat(...made.map(({ publicKey }) => publicKey));
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
