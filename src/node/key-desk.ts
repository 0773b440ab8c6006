/**
 * # Key desk: the keystore as operators reach it by RPC; `author_*` of Substrate.
 *
 * Always true: a secret that comes in is neither logged nor repeated in an error; no secret goes out.
 */
import { type Bytes, toHex } from '../base/bytes.ts';
import { SecretError } from '../crypto/mnemonic.ts';
import { keypairFromSuri } from '../crypto/suri.ts';
import type { Scheme } from '../crypto/verify.ts';
import { KeystoreError } from '../keystore/errors.ts';
import type { Keystore } from '../keystore/keystore.ts';
import { fixedScheme, hasSessionKeys, rotateKeys, rotateKeysWithOwner } from '../keystore/session-keys.ts';
import type { KeyPort } from '../rpc/backend.ts';
import { badKey, invalidParams } from '../rpc/errors.ts';

const SCHEMES: readonly Scheme[] = ['sr25519', 'ed25519', 'ecdsa'];

export interface KeyDeskParts {
  /** A node without one keeps no keys. */
  readonly keystore: Keystore | undefined;
  /** The hash of the genesis block: what keys sign for an owner is of this chain. */
  readonly genesis: Bytes;
  /** Called, and waited for, when keys came in. */
  readonly onChange: () => Promise<void>;
}

export function keyDesk({ keystore, genesis, onChange }: KeyDeskParts): KeyPort {
  /** Runs `work`; what the keystore refuses is the caller's to mend. */
  async function refusable<T>(work: (keystore: Keystore) => Promise<T>): Promise<T> {
    if (keystore === undefined) throw badKey('this node keeps no keys');
    try {
      return await work(keystore);
    } catch (error) {
      if (error instanceof KeystoreError) throw badKey(KeystoreError.sentence(error.code));
      throw error;
    }
  }
  return {
    insert: (keyType, suri, publicKey) =>
      refusable(async (keys) => {
        const wanted = toHex(publicKey);
        const fixed = fixedScheme(keyType);
        const scheme = (fixed === undefined ? SCHEMES : [fixed]).find((one) => publicKeyOf(suri, one) === wanted);
        if (scheme === undefined) throw badKey(`the secret does not give this public key${by(fixed)}`);
        await keys.insert(keyType, scheme, suri);
        await onChange();
      }),
    rotate: () =>
      refusable(async (keys) => {
        const made = await rotateKeys(keys);
        await onChange();
        return made;
      }),
    rotateWithOwner: (owner) =>
      refusable(async (keys) => {
        const made = await rotateKeysWithOwner(keys, genesis, owner);
        await onChange();
        return made;
      }),
    has: (publicKey, keyType) =>
      refusable(async (keys) => {
        const wanted = toHex(publicKey);
        return (await keys.list()).some((key) => key.keyType === keyType && key.publicKey === wanted);
      }),
    hasSession: (bytes: Bytes) =>
      refusable(async (keys) => {
        const all = await hasSessionKeys(keys, bytes);
        if (all === undefined) throw invalidParams('session keys are 96 bytes: grandpa, authoring, compute');
        return all;
      }),
  };
}

function by(scheme: Scheme | undefined): string {
  return scheme === undefined ? '' : ` by ${scheme}`;
}

function publicKeyOf(suri: string, scheme: Scheme): string | undefined {
  try {
    return toHex(keypairFromSuri(suri, scheme).publicKey);
  } catch (error) {
    // Not every URI exists in every scheme (soft junctions), and nonsense exists in none.
    if (error instanceof SecretError) return undefined;
    throw error;
  }
}
