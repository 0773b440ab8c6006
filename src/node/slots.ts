/** # Slots: the half of a node that takes turns at authoring: its keys, and its memory. */
import type { Ready } from '../consensus/fill.ts';
import { type AuthoringKey, LAST_SEALED, SlotsAuthor } from '../consensus/slots-author.ts';
import type { Keypair } from '../crypto/keypair.ts';
import { keypairFromSuri } from '../crypto/suri.ts';
import { Slot } from '../primitives/slots.ts';
import type { ChainStore } from '../state/store.ts';
import type { NodeConfig } from './config.ts';
import type { ChainRules } from './rules.ts';

/** The machine that takes this node's turns; undefined where there are none to take, or no key to take them with. */
export function slotsAuthor(
  config: Pick<NodeConfig, 'validator' | 'identity' | 'authoringKeys'>,
  rules: ChainRules,
  parts: { readonly store: ChainStore; readonly now: number; ready(): Ready },
): SlotsAuthor | undefined {
  const { slots } = rules.consensus;
  if (slots === undefined || !config.validator) return undefined;
  const named = config.identity ? [keypairFromSuri(`//${config.identity.name}//authoring`, 'sr25519')] : [];
  const keys = [...named, ...(config.authoringKeys ?? [])].filter(canAuthor);
  if (keys.length === 0) return undefined;
  const { store, now, ready } = parts;
  const last = store.aux(LAST_SEALED);
  const lastSealed = last === undefined ? undefined : Slot.dec(last);
  return new SlotsAuthor(now, { rules: { ...rules.consensus, slots }, store, keys, ready, lastSealed });
}

function canAuthor(key: Keypair): key is Keypair & AuthoringKey {
  return key.vrf !== undefined;
}
