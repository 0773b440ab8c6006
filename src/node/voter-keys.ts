/**
 * # Voter keys: with which keys this node votes.
 *
 * Always true: only a validator that votes has any; a development identity votes with `//Name//grandpa`, everybody
 * else with the keys of type `gran` in the keystore. A key that is added to a running node votes from the next set on.
 */
import type { VoterKey } from '../consensus/finality/voter.ts';
import { keypairFromSuri } from '../crypto/suri.ts';
import { KeystoreError } from '../keystore/errors.ts';
import type { Keystore } from '../keystore/keystore.ts';
import type { NodeConfig } from './config.ts';

const KEY_TYPE = 'gran';

export interface VoterKeys {
  keys(): readonly VoterKey[];
  /** Looks into the keystore again. */
  reload(): Promise<void>;
}

/** The keys of a node, read once; `warn` hears of one that cannot be used. */
export async function voterKeys(
  { identity, validator, votes = validator }: Pick<NodeConfig, 'identity' | 'validator' | 'votes'>,
  keystore: Keystore | undefined,
  warn: (text: string) => void,
): Promise<VoterKeys> {
  const own = identity === undefined ? [] : [keypairFromSuri(`//${identity.name}//grandpa`, 'ed25519')];
  let keys: readonly VoterKey[] = own;
  const reload = async (): Promise<void> => {
    if (votes) keys = [...own, ...(await opened(keystore, warn))];
  };
  await reload();
  return { keys: () => (votes ? keys : []), reload };
}

async function opened(keystore: Keystore | undefined, warn: (text: string) => void): Promise<VoterKey[]> {
  const out: VoterKey[] = [];
  for (const name of (await keystore?.list()) ?? []) {
    if (name.keyType !== KEY_TYPE) continue;
    try {
      out.push((await (keystore as Keystore).open(name)).keypair);
    } catch (error) {
      if (!(error instanceof KeystoreError)) throw error;
      warn(`finality: key ${name.publicKey} does not vote: ${error.message}`);
    }
  }
  return out;
}
