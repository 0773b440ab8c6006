/**
 * # Session keys: the keys with which a validator's node signs, and the proof that it holds them.
 *
 * Always true: a proof is bound to the chain, the account and all three keys, so that nobody names another's key as his
 * own, and no proof of one chain or account serves on another.
 */
import { type Bytes, concat, utf8 } from '../../../base/bytes.ts';
import { type Codec, fixed, named, type Of, struct, tryDecode } from '../../../codec/index.ts';
import type { Chain } from '../../chain.ts';
import type { AccountId } from '../../types.ts';
import { genesisHash } from '../bare.ts';

const key = (path: string): Codec<Bytes> => named(path, fixed(32));

export const SessionKeys = struct(
  {
    /** ed25519: votes on finality. */
    grandpa: key('sp_consensus_grandpa::app::Public'),
    /** sr25519: seals blocks of `slots` chains. */
    authoring: key('maitoken_runtime::authoring::Public'),
    /** ed25519: signs what miners and checkers send. */
    compute: key('maitoken_runtime::compute::Public'),
  },
  { path: 'maitoken_runtime::SessionKeys' },
);
export type SessionKeys = Of<typeof SessionKeys>;
export type SessionKeyName = keyof SessionKeys & string;

/** The four characters under which keystore, KeyOwner and offences know a key. */
export const KEY_TYPES: Readonly<Record<SessionKeyName, string>> = {
  grandpa: 'gran',
  authoring: 'slot',
  compute: 'comp',
};
const NAMES: readonly SessionKeyName[] = ['grandpa', 'authoring', 'compute'];

export const KeyTypeId = named('sp_core::crypto::KeyTypeId', fixed(4));

/** The keys with their types, in the order of the struct. */
export function typedKeys(keys: SessionKeys): [Bytes, Bytes][] {
  return NAMES.map((name) => [utf8(KEY_TYPES[name]), keys[name]]);
}

/** What each key signs to prove that it is the account's: "session/1/keys" || genesis || account || SCALE(keys). */
export function ownershipMessage(genesis: Bytes, account: AccountId, keys: SessionKeys): Bytes {
  return concat(utf8('session/1/keys'), genesis, account, SessionKeys.enc(keys));
}

/** One signature of each key, in the order of the struct: what `set_keys` takes as `proof`. */
export const OwnershipProof = struct({ grandpa: fixed(64), authoring: fixed(64), compute: fixed(64) });

/** Whether the proof shows that the account's node holds all three keys. */
export function ownsKeys(chain: Chain, account: AccountId, keys: SessionKeys, proof: Bytes): boolean {
  const signatures = tryDecode(OwnershipProof, proof);
  if (signatures === undefined) return false;
  const message = ownershipMessage(genesisHash(chain), account, keys);
  const authoring = { type: 'Sr25519', value: signatures.authoring } as const;
  return (
    chain.host.verifyEd25519(signatures.grandpa, message, keys.grandpa) &&
    chain.host.verifyEd25519(signatures.compute, message, keys.compute) &&
    chain.host.verify(authoring, message, keys.authoring)
  );
}
