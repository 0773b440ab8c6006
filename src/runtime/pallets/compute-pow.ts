/**
 * # ComputePow: who may author by work, what was won, and the beacon.
 *
 * Always true: a block's win is recorded by the next block, from the sealed header and the ticket that import
 * recomputed; so the state of a block does not depend on who won it. The beacon is a hash chain over winning tickets.
 */
import { must } from '../../base/assert.ts';
import { type Bytes, concat, equal, utf8 } from '../../base/bytes.ts';
import { bool, fixed, hash, type Of, option, struct, u16, u32, u64, u128, vec } from '../../codec/index.ts';
import { blake2_256 } from '../../crypto/hash.ts';
import { MultiSignature } from '../../primitives/account.ts';
import { itemsOf, POW_ENGINE } from '../../primitives/digest.ts';
import type { Header } from '../../primitives/header.ts';
import { readSealed } from '../../primitives/pow.ts';
import { countsAsBoosted, winsWithin, withWin } from '../boost.ts';
import type { Chain } from '../chain.ts';
import { ConfigError } from '../config.ts';
import { eraOf } from '../context.ts';
import { nextRegistrationPrice, registrationDifficulty, STREAM_ERAS, shownCapacity } from '../economy.ts';
import { invalid } from '../errors.ts';
import { constant, event, pallet, rules, type Scope } from '../pallet.ts';
import { identity, map, twox64Concat, value } from '../storage.ts';
import { AccountId } from '../types.ts';
import { rw } from '../weights.ts';
import { BARE_LONGEVITY, bareMessage, genesisHash } from './bare.ts';
import { JobsDeclared } from './jobs/state.ts';
import { holdAuthorPay, RewardsDeclared, vestAuthorPay } from './rewards.ts';
import { noteAuthor } from './staking/pay.ts';
import { StakingDeclared } from './staking/state.ts';
import { System } from './system.ts';
import { headerAuthor } from './transaction-payment.ts';

const PATH = 'pallet_compute_pow';
/** Tickets of a registration, and the age up to which its anchor block is taken (rule E). */
export const REGISTRATION_TICKETS = 32;
const ANCHOR_AGE = 64;
const REGISTRATIONS_PER_BLOCK = 16;
/** Beacons kept: no draw looks further back than a fragment lives. */
const BEACONS = 1_024;
/** Blocks won with one fragment: it is minable for at most 203 (the longest deadline and the grace after it). */
export const MAX_WINS = 256;
/** Operands and their roots 18 ms, 32 tickets of 0.9 ms on the reference path. */
const REGISTER_PS = 50_000_000_000n;

export const Author = struct(
  {
    compute_key: fixed(32),
    /** CU of accepted work an era, a moving average; what registration showed before there is any. */
    capacity: u64,
    /** The last era whose accepted work is in it. */
    measured_era: option(u32),
    registered_at: u32,
    accepted: u32,
    timeouts: u32,
    /** Deadlines missed since the last accepted fragment; until this block no round gives him a fragment. */
    misses: u32,
    blocked_until: u32,
    /** Named by the genesis: needs no probation. */
    genesis: bool,
  },
  { path: `${PATH}::Author` },
);
export type Author = Of<typeof Author>;

const NEW_AUTHOR = {
  measured_era: undefined,
  registered_at: 0,
  accepted: 0,
  timeouts: 0,
  misses: 0,
  blocked_until: 0,
  genesis: false,
} as const;

export const Win = struct(
  { height: u32, step: u32, node: u16, root_a: hash, root_b: hash, pay: u128 },
  { path: `${PATH}::Win` },
);
export type Win = Of<typeof Win>;

/** Boosted wins of an account in an era. */
const EraWins = struct({ era: u32, wins: u32 }, { path: `${PATH}::EraWins` });

const RegistrationTicket = struct({ attempt: u32, ti: u32, tj: u32, s: u32 }, { path: `${PATH}::RegistrationTicket` });

const HEIGHT = twox64Concat(u32, 'heights are given by the chain');

export const ComputePowDeclared = pallet('ComputePow', {
  index: 40,
  doc: 'Authors by work, wins and the beacon.',
  constants: {
    InitialDifficulty: constant('D of block 1.', u128, (s) => s.initialDifficulty),
    Profile: constant('Ticket profile of the chain.', u32, (s) => s.profile),
    ReferenceWork: constant('CU of a reference fragment.', u64, (s) => s.rewards.referenceCu),
  },
  storage: {
    Authors: map('Who may author, by account.', AccountId, Author),
    KeyOwner: map('The account of a compute key.', fixed(32), AccountId),
    Beacon: map('beacon_h for the last blocks.', HEIGHT, hash),
    Wins: map('Blocks won with a fragment, in order.', identity(hash, 'an id is a hash'), vec(Win, MAX_WINS), []),
    BoostedWins: map('Wins that counted with a boost, of the last 24 eras.', AccountId, vec(EraWins, STREAM_ERAS), []),
    Wanting: value(
      'Accounts that registered in this block: the next one gives them fragments.',
      vec(AccountId, REGISTRATIONS_PER_BLOCK),
      [],
    ),
    RegistrationPrice: value('Millionths of a reference fragment.', u64, 0n),
    Registrations: value('Registrations of this era.', u32, 0),
    RegisteredInBlock: value('Registrations of this block.', u32, 0),
  },
  events: {
    Registered: event('An account may author.', { account: AccountId, compute_key: fixed(32) }),
    Lapsed: event('An account that showed no work may not author any more.', { account: AccountId }),
    BlockWon: event('The parent block was won with this work.', {
      author: AccountId,
      fragment: hash,
      step: u32,
      node: u16,
    }),
  },
  errors: {
    AlreadyRegistered: 'The account or the key is registered.',
  },
});
type At = Scope<typeof ComputePowDeclared>;

/** The beacon before the first ticket. */
export const FIRST_BEACON = blake2_256(utf8('cpow/1/beacon'));

export const ComputePow = rules(ComputePowDeclared, {
  calls: {
    register: {
      index: 0,
      doc: 'Makes `account` an author, for work done over a recent block and without a fee.',
      origin: 'bare',
      weight: rw(6, 6, REGISTER_PS),
      args: {
        account: AccountId,
        anchor: u32,
        proof: vec(RegistrationTicket, REGISTRATION_TICKETS),
        account_signature: MultiSignature,
        key: fixed(32),
        signature: fixed(64),
      },
      validate(at, args) {
        if (at.state.Authors.has(args.account) || at.state.KeyOwner.has(args.key)) throw invalid('Stale');
        if (args.anchor >= at.block.number || args.anchor + ANCHOR_AGE < at.block.number)
          throw invalid('AncientBirthBlock');
        if (at.state.RegisteredInBlock.get() >= REGISTRATIONS_PER_BLOCK) throw invalid('ExhaustsResources');
        const anchor = at.use(System).state.BlockHash.get(args.anchor);
        const genesis = genesisHash(at);
        const naming = authorMessage(genesis, args.key, anchor);
        if (!at.host.verify(args.account_signature, naming, args.account)) throw invalid('BadProof');
        const { signature, ...signed } = args;
        const body = SignedRegistration.enc(signed);
        if (!at.host.verifyEd25519(signature, bareMessage('register', genesis, body), args.key))
          throw invalid('BadProof');
        if (!provesWork(at, args, genesis, anchor)) throw invalid('BadProof');
        return { priority: 0n, provides: [concat(utf8('cpow/register'), args.account)], longevity: BARE_LONGEVITY };
      },
      run(at, { account, anchor, key }) {
        at.ensure(!at.state.Authors.has(account) && !at.state.KeyOwner.has(key), 'AlreadyRegistered');
        const registered_at = at.block.number;
        const capacity = shownCapacity({
          priceMillionths: at.state.RegistrationPrice.get(),
          referenceCu: at.const.ReferenceWork,
          eraBlocks: at.spec.eraBlocks,
          blocks: registered_at - anchor,
        });
        at.state.Authors.put(account, { ...NEW_AUTHOR, compute_key: key, capacity, registered_at });
        at.state.KeyOwner.put(key, account);
        at.state.Registrations.mutate((n) => n + 1);
        at.state.RegisteredInBlock.mutate((n) => n + 1);
        at.state.Wanting.mutate((list) => [...list, account]);
        at.emit.Registered({ account, compute_key: key });
      },
    },
  },
  hooks: {
    on_initialize: recordParent,
    on_finalize(at) {
      at.state.RegisteredInBlock.delete();
    },
    on_era(at) {
      const floor = at.spec.registrationFloorMillionths;
      at.state.RegistrationPrice.mutate((price) => nextRegistrationPrice(price, at.state.Registrations.get(), floor));
      at.state.Registrations.put(0);
    },
  },
  genesis: {
    config: { authors: vec(struct({ account: AccountId, compute_key: fixed(32) })) },
    build(at, { authors }) {
      at.state.Beacon.put(0, FIRST_BEACON);
      at.state.RegistrationPrice.put(at.spec.registrationFloorMillionths);
      for (const { account, compute_key } of authors) {
        const isKnown = at.state.Authors.has(account) || at.state.KeyOwner.has(compute_key);
        if (isKnown) throw new ConfigError('computePow.authors', 'an account or a key occurs twice');
        const capacity = at.const.ReferenceWork * 2n;
        at.state.Authors.put(account, { ...NEW_AUTHOR, compute_key, capacity, genesis: true });
        at.state.KeyOwner.put(compute_key, account);
      }
    },
  },
  invariant(at) {
    const keys = new Map([...at.state.KeyOwner.entries()].map(([key, owner]) => [key.join(), owner]));
    let authors = 0;
    for (const [account, { compute_key }] of at.state.Authors.entries()) {
      const owner = keys.get(compute_key.join());
      if (!owner || !equal(owner, account)) return 'an author whose key is not his';
      authors++;
    }
    if (authors !== keys.size) return 'a key without an author';
    let held = 0n;
    for (const [, wins] of at.state.Wins.entries()) for (const win of wins) held += win.pay;
    return held === at.use(RewardsDeclared).state.Held.get() || 'the pay of won blocks does not sum to what is held';
  },
});

const SignedRegistration = struct({
  account: AccountId,
  anchor: u32,
  proof: vec(RegistrationTicket, REGISTRATION_TICKETS),
  account_signature: MultiSignature,
  key: fixed(32),
});

/** beacon_h of a height whose successor has begun; heights below 0 count as 0. */
export function beaconAt(chain: Chain, height: number): Bytes {
  const at = chain.use(ComputePowDeclared);
  return must(at.state.Beacon.get(Math.max(0, height)), `beacon of height ${height}`);
}

/** The account is an author no more; what it claimed is still checked and paid. */
export function removeAuthor(chain: Chain, account: Bytes): void {
  const at = chain.use(ComputePowDeclared);
  const author = must(at.state.Authors.get(account), 'an author');
  at.state.Authors.delete(account);
  at.state.KeyOwner.delete(author.compute_key);
  at.emit.Lapsed({ account });
}

/** The message that an account signs to name its compute key. */
export function authorMessage(genesis: Bytes, key: Bytes, anchor: Bytes): Bytes {
  return concat(utf8('cpow/1/author'), genesis, key, anchor);
}

/** The preHash of a registration's tickets. */
export function registrationPreHash(genesis: Bytes, account: Bytes, anchor: Bytes): Bytes {
  return blake2_256(concat(utf8('cpow/1/register'), genesis, account, anchor));
}

function provesWork(at: At, args: Omit<Of<typeof SignedRegistration>, 'key'>, genesis: Bytes, anchor: Bytes): boolean {
  const price = at.state.RegistrationPrice.get();
  const distinct = new Set(args.proof.map((t) => `${t.attempt}/${t.ti}/${t.tj}/${t.s}`));
  if (distinct.size !== REGISTRATION_TICKETS) return false;
  return at.host.referee.registration({
    account: args.account,
    preHash: registrationPreHash(genesis, args.account, anchor),
    profile: at.spec.profile,
    difficulty: registrationDifficulty(price, at.const.ReferenceWork, BigInt(REGISTRATION_TICKETS)),
    tickets: args.proof,
  });
}

/** Writes what block h - 1 proved by its seal: author pay, the win, and the beacon. */
function recordParent(at: At): void {
  const { header, ticket } = at.block.parent;
  if (header.number === 0 || !ticket) return;
  extendBeacon(at, header.number, ticket);
  // A header of a turn has no `pow_` item (primitives/slots.ts); one that was won may have items of any engine.
  if (itemsOf(header.digest, 'PreRuntime', POW_ENGINE).length > 0) recordWin(at, header);
  else paySlot(at, header);
}

/** `ticket`: what won the block, or what the author of the slot drew (ECONOMY.md rule B). */
function extendBeacon(at: At, number: number, ticket: Bytes): void {
  const before = must(at.state.Beacon.get(number - 1), 'the beacon is a chain');
  at.state.Beacon.put(number, blake2_256(concat(before, ticket)));
  if (number > BEACONS) at.state.Beacon.delete(number - BEACONS);
}

/** Whose turn it was is proven by the seal itself: there is nothing to wait for. */
function paySlot(at: At, header: Header): void {
  const author = must(headerAuthor(header), 'a sealed header names its author');
  noteAuthor(at, author);
  // Where the pay of blocks is shared with voters and losers, staking has just set it aside.
  if (at.spec.staking.splitsPay && at.use(StakingDeclared).state.ActiveEra.get() !== undefined) return;
  vestAuthorPay(at, author, holdAuthorPay(at, author));
}

function recordWin(at: At, header: Header): void {
  const { preRuntime: pre, seal } = readSealed(header);
  countBoosted(at, pre.author, header.number);
  at.emit.BlockWon({ author: pre.author, fragment: pre.fragment, step: pre.step, node: pre.node });
  const fragment = at.use(JobsDeclared).state.Fragments.get(pre.fragment);
  if (fragment === undefined) return;
  // What ran out forfeits its wins, and keeps winning for two blocks all the same (rule R; DECISIONS.md section 1).
  const pay = fragment.status.type === 'Expired' ? 0n : holdAuthorPay(at, pre.author);
  at.state.Wins.mutate(pre.fragment, (wins) => [
    ...wins,
    { height: header.number, step: pre.step, node: pre.node, root_a: seal.rootA, root_b: seal.rootB, pay },
  ]);
}

/** Counts a win of block `number` that had a boost, as its author's parent state gave it (rule R). */
function countBoosted(at: At, author: Bytes, number: number): void {
  const sources = { staking: at.use(StakingDeclared).state, rewards: at.use(RewardsDeclared).state };
  const era = eraOf(number, at.spec.eraBlocks);
  const list = at.state.BoostedWins.get(author);
  if (!countsAsBoosted(sources, at.spec, author, number, winsWithin(list, era))) return;
  at.state.BoostedWins.put(author, withWin(list, era));
}
