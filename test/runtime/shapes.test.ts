/**
 * # Shapes: our pallets beside Polkadot's, as its published metadata describes them.
 *
 * Always true: a call, event, error, item or constant that has the name of one of Polkadot's has its type, a call its
 * index too; what is left out and what is our own is listed here.
 */
import assert from 'node:assert/strict';
import { metadata as codec, unifyMetadata } from '@polkadot-api/substrate-bindings';
import { fromHex, fromUtf8 } from '../../src/base/bytes.ts';
import { PALLETS } from '../../src/runtime/pallets/index.ts';
import { createRuntime } from '../../src/runtime/runtime.ts';
import { DEFAULT_SPEC } from '../../src/runtime/spec.ts';
import { testWithVectors } from '../vectors/substrate.ts';
import { HOST } from './test-chain.ts';

type Described = ReturnType<typeof unifyMetadata>;
type PalletOf = Described['pallets'][number];

// Every runtime has its own.
const OPAQUE = /(RuntimeCall|RuntimeEvent|RuntimeHoldReason|RuntimeFreezeReason|OriginCaller|ProxyType|MultiAddress)$/;
// Bounds and copies on write are not seen in bytes.
const TRANSPARENT = /^(bounded_collections::.*|Cow)$/;

/** A type in words. */
function spell({ lookup }: Described, type: number): string {
  const said = (id: number): string => {
    const { path, def } = lookup[id] ?? assert.fail(`type ${id}`);
    const name = path.join('::');
    if (OPAQUE.test(name)) return path.at(-1) ?? '';
    const fields = (of: readonly { readonly name: string | undefined; readonly type: number }[]) =>
      of.map((field) => `${field.name ?? ''}:${said(field.type)}`).join();
    switch (def.tag) {
      case 'primitive':
        return def.value.tag;
      case 'compact':
        return `compact<${said(def.value)}>`;
      case 'sequence':
        return `[${said(def.value)}]`;
      case 'array':
        return `[${said(def.value.type)};${def.value.len}]`;
      case 'tuple':
        return `(${def.value.map(said).join()})`;
      case 'composite': {
        const [only] = def.value;
        if (TRANSPARENT.test(name) && only !== undefined) return said(only.type);
        return `${name}{${fields(def.value)}}`;
      }
      case 'variant':
        return `${name}<${def.value.map((one) => `${one.index}${one.name}{${fields(one.fields)}}`).join('|')}>`;
      default:
        return assert.fail(def.tag);
    }
  };
  return said(type);
}

/** What a pallet offers, by name, in words. */
function offers(described: Described, pallet: PalletOf): Map<string, string> {
  const out = new Map<string, string>();
  const cases = (kind: 'call' | 'event' | 'error', id: number | undefined) => {
    const def = id === undefined ? undefined : described.lookup[id]?.def;
    for (const one of def?.tag === 'variant' ? def.value : []) {
      const fields = one.fields.map((field) => `${field.name}: ${spell(described, field.type)}`);
      out.set(`${kind} ${one.name}`, `${kind === 'call' ? one.index : ''}(${fields.join(', ')})`);
    }
  };
  cases('call', pallet.calls?.type);
  cases('event', pallet.events?.type);
  cases('error', pallet.errors?.type);
  for (const { name, type } of pallet.constants) out.set(`constant ${name}`, spell(described, type));
  for (const { name, type, modifier } of pallet.storage?.items ?? []) {
    const keys = type.tag === 'map' ? spell(described, type.value.key) : '';
    const value = spell(described, type.tag === 'map' ? type.value.value : type.value);
    out.set(`item ${name}`, `${keys} -> ${modifier} ${value}`);
  }
  return out;
}

interface Difference {
  /** Theirs, and not here. */
  readonly left: readonly string[];
  /** Here, and not theirs. */
  readonly own: readonly string[];
  /** Of the same name and meant to differ. */
  readonly other: readonly string[];
}

const SAME: Difference = { left: [], own: [], other: [] };
const poking = ['call poke_deposit', 'event DepositPoked'];

const DIFFERENCES: Readonly<Record<string, Difference>> = {
  Balances: {
    left: [
      // Nothing mints.
      ...['event Minted', 'event MintedCredit', 'event BurnedDebt', 'event Issued', 'event TotalIssuanceForced'],
      // Nothing freezes, holds are not slashed or moved, and no account stems from an older form.
      ...['event Suspended', 'event Restored', 'event Upgraded', 'event Frozen', 'event Thawed', 'event BurnedHeld'],
      ...['event TransferOnHold', 'event TransferAndHold', 'event Unexpected'],
      // Token errors say these.
      ...['error VestingBalance', 'error LiquidityRestrictions', 'error ExistentialDeposit', 'error Expendability'],
      ...['error ExistingVestingSchedule', 'error TooManyReserves', 'error TooManyHolds', 'error TooManyFreezes'],
      // For chains that keep balances outside of System.Account.
      'item Account',
    ],
    own: ['error TooManyLocks', 'item GenesisIssuance', 'item Burned'],
    other: [],
  },
  Utility: SAME,
  // Deposits follow from what is stored, and change with no vote: there is none to adjust.
  Multisig: { ...SAME, left: [...poking, 'error NoApprovalsNeeded', 'error AlreadyStored'] },
  Proxy: { ...SAME, left: poking },
  // No list or entry stems from an older form.
  Vesting: { ...SAME, left: ['item StorageVersion'] },
  Preimage: {
    ...SAME,
    left: ['call ensure_updated', 'item StatusFor', 'error Requested', 'error TooMany', 'error TooFew'],
  },
  Scheduler: { ...SAME, left: ['error Named', 'error RescheduleNoChange'] },
};

const each = (kind: string, names: string) => names.split(' ').map((name) => `${kind} ${name}`);

/** Polkadot keeps identities on another chain: Substrate's example runtime, of some versions ago. */
const IDENTITY: Difference = {
  // Usernames: names that authorities give, beside those that accounts give themselves.
  left: [
    ...each('call', 'accept_username add_username_authority remove_dangling_username remove_expired_approval'),
    ...each('call', 'remove_username_authority set_primary_username set_username_for'),
    ...each('constant', 'MaxSuffixLength MaxUsernameLength PendingUsernameExpiration'),
    ...each('error', 'InvalidSignature InvalidSuffix InvalidUsername NoAllocation NoUsername NotExpired'),
    ...each('error', 'NotUsernameAuthority RequiresSignature UsernameTaken NotNamed JudgementPaymentFailed'),
    ...each('event', 'AuthorityAdded AuthorityRemoved DanglingUsernameRemoved PreapprovalExpired'),
    ...each('event', 'PrimaryUsernameSet UsernameQueued UsernameSet'),
    ...each('item', 'AccountOfUsername PendingUsernames UsernameAuthorities'),
  ],
  // Newer than the file.
  own: ['event SubIdentitiesSet', 'event SubIdentityRenamed'],
  // A username stood beside the registration then.
  other: ['item IdentityOf'],
};

function sorted({ left, own, other }: Difference): Difference {
  return { left: left.toSorted(), own: own.toSorted(), other: other.toSorted() };
}

/** Compares a pallet of our runtime with those of published metadata. */
function compareWith(file: string, name: string, difference: Difference): void {
  testWithVectors(`${name} is that of ${file}, but for what is listed`, file, (data) => {
    const bytes = fromHex(fromUtf8(data as Uint8Array).trim());
    // Option<OpaqueMetadata>: a tag and a length of four bytes stand before some.
    const start = Buffer.from(bytes).indexOf('meta');
    const theirs = unifyMetadata(codec.dec(bytes.slice(start)));
    const runtime = createRuntime({ pallets: PALLETS, spec: DEFAULT_SPEC, host: HOST });
    const ours = unifyMetadata(codec.dec(runtime.metadata(16)));
    const find = (of: Described) => offers(of, of.pallets.find((one) => one.name === name) ?? assert.fail(name));
    const [here, there] = [find(ours), find(theirs)];
    const found: Difference = {
      left: [...there.keys()].filter((key) => !here.has(key)),
      own: [...here.keys()].filter((key) => !there.has(key)),
      other: [...here.keys()].filter((key) => there.has(key) && there.get(key) !== here.get(key)),
    };
    const unmeant = found.other.filter((key) => !difference.other.includes(key));
    for (const key of unmeant) assert.equal(here.get(key), there.get(key), `${name} ${key}`);
    assert.deepEqual(sorted(found), sorted(difference), name);
  });
}

for (const [name, difference] of Object.entries(DIFFERENCES)) {
  compareWith('polkadot-js-api/metadata-v16-polkadot.hex', name, difference);
}
compareWith('polkadot-js-api/metadata-v14-substrate.hex', 'Identity', IDENTITY);
