/** # Identity's state: names, who vouches for them, and the accounts that share one, in Substrate's types. */
import type { Bytes } from '../../../base/bytes.ts';
import {
  type Codec,
  fixed,
  type Of,
  option,
  struct,
  tuple,
  u32,
  u64,
  u128,
  unit,
  variant,
  vec,
} from '../../../codec/index.ts';
import { storageDeposit } from '../../deposits.ts';
import { constant, event, pallet, type Scope } from '../../pallet.ts';
import { map, value } from '../../storage.ts';
import { AccountId, Balance } from '../../types.ts';

const MAX_ADDITIONAL = 100;
export const MAX_SUBS = 100;
export const MAX_REGISTRARS = 20;
const LONGEST_RAW = 32;

/** At most 32 bytes, or a hash of what is longer. */
export interface Data {
  readonly type: string;
  readonly value?: Bytes | undefined;
}

const raw = Array.from({ length: LONGEST_RAW + 1 }, (_, size) => [`Raw${size}`, [size + 1, fixed(size)]] as const);
const hashes = ['BlakeTwo256', 'Sha256', 'Keccak256', 'ShaThree256'].map(
  (name, i) => [name, [LONGEST_RAW + 2 + i, fixed(32)]] as const,
);
export const Data = variant(
  { None: unit, ...Object.fromEntries([...raw, ...hashes]) },
  { path: 'pallet_identity::types::Data' },
) as unknown as Codec<Data>;

export const IdentityInfo = struct(
  {
    additional: vec(tuple(Data, Data), MAX_ADDITIONAL),
    display: Data,
    legal: Data,
    web: Data,
    riot: Data,
    email: Data,
    pgp_fingerprint: option(fixed(20)),
    image: Data,
    twitter: Data,
  },
  { path: 'pallet_identity::legacy::IdentityInfo', params: [{ name: 'FieldLimit' }] },
);
export type IdentityInfo = Of<typeof IdentityInfo>;

export const Judgement = variant(
  {
    Unknown: unit,
    FeePaid: tuple(Balance),
    Reasonable: unit,
    KnownGood: unit,
    OutOfDate: unit,
    LowQuality: unit,
    Erroneous: unit,
  },
  { path: 'pallet_identity::types::Judgement', params: [{ name: 'Balance', shape: u128.shape }] },
);
export type Judgement = Of<typeof Judgement>;

const Registration = struct(
  { judgements: vec(tuple(u32, Judgement), MAX_REGISTRARS), deposit: Balance, info: IdentityInfo },
  {
    path: 'pallet_identity::types::Registration',
    params: [
      { name: 'Balance', shape: u128.shape },
      { name: 'MaxJudgements' },
      { name: 'IdentityInfo', shape: IdentityInfo.shape },
    ],
  },
);
export type Registration = Of<typeof Registration>;

const RegistrarInfo = struct(
  { account: AccountId, fee: Balance, fields: u64 },
  {
    path: 'pallet_identity::types::RegistrarInfo',
    params: [
      { name: 'Balance', shape: u128.shape },
      { name: 'AccountId', shape: AccountId.shape },
      { name: 'IdField', shape: u64.shape },
    ],
  },
);
export type RegistrarInfo = Of<typeof RegistrarInfo>;

const sub = { sub: AccountId, main: AccountId };

export const IdentityDeclared = pallet('Identity', {
  index: 17,
  doc: 'Lets accounts say who they are, and others vouch for it.',
  constants: {
    BasicDeposit: constant('Reserved for an identity.', Balance, (spec) => storageDeposit(spec, 1, 17)),
    ByteDeposit: constant('Reserved for each byte of an identity.', Balance, (spec) => storageDeposit(spec, 0, 1)),
    SubAccountDeposit: constant('Reserved for each sub-account.', Balance, (spec) => storageDeposit(spec, 1, 53)),
    MaxSubAccounts: constant('Sub-accounts of an identity.', u32, () => MAX_SUBS),
    MaxRegistrars: constant('Registrars at all.', u32, () => MAX_REGISTRARS),
  },
  // Keys are accounts, and users choose those: hashed by Blake2, where Substrate takes Twox64 for some.
  storage: {
    IdentityOf: map('What an account says of itself.', AccountId, Registration),
    SuperOf: map(
      'The account whose identity a sub-account shares, and its own name.',
      AccountId,
      tuple(AccountId, Data),
    ),
    SubsOf: map(
      'What is reserved for sub-accounts, and which there are.',
      AccountId,
      tuple(Balance, vec(AccountId, 100)),
      [0n, []],
    ),
    Registrars: value('Who may judge, at what price.', vec(option(RegistrarInfo), MAX_REGISTRARS), []),
  },
  events: {
    IdentitySet: event('An account said who it is.', { who: AccountId }),
    IdentityCleared: event('An account took back who it is.', { who: AccountId, deposit: Balance }),
    IdentityKilled: event('An identity was removed, its deposit burned.', { who: AccountId, deposit: Balance }),
    JudgementRequested: event('A judgement was asked for.', { who: AccountId, registrar_index: u32 }),
    JudgementUnrequested: event('A judgement is asked for no more.', { who: AccountId, registrar_index: u32 }),
    JudgementGiven: event('A registrar judged.', { target: AccountId, registrar_index: u32 }),
    RegistrarAdded: event('There is a new registrar.', { registrar_index: u32 }),
    SubIdentityAdded: event('An identity has a new sub-account.', { ...sub, deposit: Balance }),
    SubIdentitiesSet: event('An identity has these sub-accounts.', {
      main: AccountId,
      number_of_subs: u32,
      new_deposit: Balance,
    }),
    SubIdentityRenamed: event('A sub-account has another name.', sub),
    SubIdentityRemoved: event('An identity has a sub-account less.', { ...sub, deposit: Balance }),
    SubIdentityRevoked: event('A sub-account left, and took its deposit.', { ...sub, deposit: Balance }),
  },
  errors: {
    TooManySubAccounts: 'The identity has as many sub-accounts as it may have.',
    NotFound: 'There is no such identity or judgement.',
    EmptyIndex: 'There is no registrar of this number.',
    FeeChanged: 'The registrar asks for more.',
    NoIdentity: 'The account has no identity.',
    StickyJudgement: 'The judgement stays: it is paid for, or says that the identity is wrong.',
    JudgementGiven: 'The judgement was given.',
    InvalidJudgement: 'That is no judgement to give.',
    InvalidIndex: 'The signer is not the registrar of this number.',
    InvalidTarget: 'The account to judge has no identity.',
    TooManyRegistrars: 'There are as many registrars as there may be.',
    AlreadyClaimed: 'The account is a sub-account already, or named twice.',
    NotSub: 'The account is no sub-account.',
    NotOwned: 'The account is a sub-account of another.',
    JudgementForDifferentIdentity: 'The identity changed since it was looked at.',
  },
});
export type IdentityScope = Scope<typeof IdentityDeclared>;
