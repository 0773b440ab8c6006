/**
 * # Proxy types: what a delegate may do.
 *
 * Always true: every kind but `Any` lists what it allows, so that a pallet that comes later is refused until somebody
 * thought about it. Indices are Polkadot's.
 */
import { hash, type Of, struct, u32, unit, variant } from '../../../codec/index.ts';
import { RUNTIME_PATH, type RuntimeCall } from '../../calls.ts';
import { AccountId } from '../../types.ts';

export const ProxyType = variant(
  { Any: [0, unit], NonTransfer: [1, unit], IdentityJudgement: [5, unit], CancelProxy: [6, unit] },
  { path: `${RUNTIME_PATH}::ProxyType` },
);
export type ProxyType = Of<typeof ProxyType>;

/** Whom an account lets act for it, as what, and after how many blocks of notice. */
export const ProxyDefinition = struct(
  { delegate: AccountId, proxy_type: ProxyType, delay: u32 },
  {
    path: 'pallet_proxy::ProxyDefinition',
    params: [
      { name: 'AccountId', shape: AccountId.shape },
      { name: 'ProxyType', shape: ProxyType.shape },
      { name: 'BlockNumber', shape: u32.shape },
    ],
  },
);
export type ProxyDefinition = Of<typeof ProxyDefinition>;

/** A call that a delegate will make. */
export const Announcement = struct(
  { real: AccountId, call_hash: hash, height: u32 },
  {
    path: 'pallet_proxy::Announcement',
    params: [
      { name: 'AccountId', shape: AccountId.shape },
      { name: 'Hash', shape: hash.shape },
      { name: 'BlockNumber', shape: u32.shape },
    ],
  },
);
export type Announcement = Of<typeof Announcement>;

// What a call within a call does is judged as well: batches and the like may stand in every list. A call in another
// account's name (Multisig, Proxy) is judged by what that account allows.
const NON_TRANSFER: ReadonlySet<string> = new Set([
  'System',
  'Utility',
  'Multisig',
  'Preimage',
  'Scheduler',
  'Proxy',
  'Vesting.vest',
  'Vesting.vest_other',
  'Vesting.merge_schedules',
]);

const ALLOWED: Readonly<Record<Exclude<ProxyType['type'], 'Any'>, ReadonlySet<string>>> = {
  // Not Identity either: a judgement is paid for.
  NonTransfer: NON_TRANSFER,
  IdentityJudgement: new Set(['Identity.provide_judgement', 'Utility']),
  CancelProxy: new Set(['Proxy.reject_announcement', 'Utility', 'Multisig']),
};

/** Whether a delegate of this kind may do all that the other may. */
function includes(kind: ProxyType, other: ProxyType): boolean {
  if (kind.type === other.type || kind.type === 'Any') return true;
  return kind.type === 'NonTransfer' && other.type !== 'Any';
}

/** Whether a delegate of this kind may make a call: never one that gives anyone more rights than he has himself. */
export function mayProxy(kind: ProxyType, call: RuntimeCall): boolean {
  if (kind.type === 'Any') return true;
  const { type: name, value } = call.value;
  if (call.type === 'Proxy') {
    if (name === 'remove_proxies' || name === 'kill_pure') return false;
    const given = value as { readonly proxy_type?: ProxyType };
    const changes = name === 'add_proxy' || name === 'remove_proxy';
    if (changes && given.proxy_type !== undefined && !includes(kind, given.proxy_type)) return false;
  }
  const allowed = ALLOWED[kind.type];
  return allowed.has(call.type) || allowed.has(`${call.type}.${name}`);
}
