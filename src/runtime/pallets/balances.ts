/**
 * # Balances: one token, counted once.
 *
 * Always true: what accounts hold free and reserved, and what pallets hold besides, sums to `TotalIssuance`;
 * `TotalIssuance + Burned` is what genesis made; nobody holds a crumb under `ExistentialDeposit`. Nothing here mints.
 * The rules of when an account opens, closes and may spend are those of Substrate's pallet of the same name.
 */
import { assert } from '../../base/assert.ts';
import { equal, utf8 } from '../../base/bytes.ts';
import { max, min } from '../../base/fixed.ts';
import {
  bool,
  type Codec,
  compact,
  fixed,
  type Of,
  struct,
  tuple,
  u32,
  u128,
  unit,
  variant,
  vec,
} from '../../codec/index.ts';
import type { Chain } from '../chain.ts';
import { dispatchError, tokenError } from '../errors.ts';
import { constant, event, pallet, rules, type Scope } from '../pallet.ts';
import { map, value } from '../storage.ts';
import { type AccountData, AccountId, type AccountInfo, Balance, lookup, MultiAddress } from '../types.ts';
import { rw } from '../weights.ts';
import { System } from './system.ts';

const Reasons = variant({ Fee: unit, Misc: unit, All: unit }, { path: 'pallet_balances::types::Reasons' });
const LockId = fixed(8);
const BalanceLock = struct(
  { id: LockId, amount: Balance, reasons: Reasons },
  { path: 'pallet_balances::types::BalanceLock', params: [{ name: 'Balance', shape: u128.shape }] },
);
const ReserveData = struct(
  { id: LockId, amount: Balance },
  {
    path: 'pallet_balances::types::ReserveData',
    params: [
      { name: 'ReserveIdentifier', shape: LockId.shape },
      { name: 'Balance', shape: u128.shape },
    ],
  },
);
// Pallets here hold by reserves and locks; wallets look for the two maps below all the same.
const HoldReason = variant({}, { path: 'maitoken_runtime::RuntimeHoldReason' });
const FreezeReason = variant({}, { path: 'maitoken_runtime::RuntimeFreezeReason' });
const MAX_LOCKS = 50;

function idAmount<T>(reason: Codec<T>) {
  return struct(
    { id: reason, amount: Balance },
    {
      path: 'frame_support::traits::tokens::misc::IdAmount',
      params: [
        { name: 'Id', shape: reason.shape },
        { name: 'Balance', shape: u128.shape },
      ],
    },
  );
}

const Declared = pallet('Balances', {
  index: 5,
  doc: 'Holds and moves the native token.',
  constants: {
    ExistentialDeposit: constant('The least an open account may hold.', Balance, (spec) => spec.existentialDeposit),
    MaxLocks: constant('Locks that one account may have.', u32, () => MAX_LOCKS),
    MaxReserves: constant('Named reserves that one account may have.', u32, () => MAX_LOCKS),
  },
  storage: {
    TotalIssuance: value('Units in existence: in accounts and held by pallets.', Balance, 0n),
    InactiveIssuance: value('Units that do not count in votes.', Balance, 0n),
    GenesisIssuance: value('Units that genesis made.', Balance, 0n),
    Burned: value('Units destroyed since genesis.', Balance, 0n),
    Locks: map('What an account may not spend, and why.', AccountId, vec(BalanceLock, MAX_LOCKS), []),
    Reserves: map('Named parts of what an account holds in reserve.', AccountId, vec(ReserveData, MAX_LOCKS), []),
    Holds: map('Unused here: pallets reserve.', AccountId, vec(idAmount(HoldReason), MAX_LOCKS), []),
    Freezes: map('Unused here: pallets lock.', AccountId, vec(idAmount(FreezeReason), MAX_LOCKS), []),
  },
  events: {
    Endowed: event('An account was opened with a balance.', { account: AccountId, free_balance: Balance }),
    DustLost: event('An account closed; the crumb it held was burned.', { account: AccountId, amount: Balance }),
    Transfer: event('`amount` moved.', { from: AccountId, to: AccountId, amount: Balance }),
    Reserved: event('`amount` went from free to reserved.', { who: AccountId, amount: Balance }),
    Unreserved: event('`amount` went from reserved to free.', { who: AccountId, amount: Balance }),
    Deposit: event('A pallet paid `amount` to an account.', { who: AccountId, amount: Balance }),
    Withdraw: event('A pallet took `amount` from an account.', { who: AccountId, amount: Balance }),
    Slashed: event('`amount` was taken as a penalty.', { who: AccountId, amount: Balance }),
    Locked: event('`amount` more may not be spent.', { who: AccountId, amount: Balance }),
    Unlocked: event('`amount` may be spent again.', { who: AccountId, amount: Balance }),
    Rescinded: event('`amount` was destroyed.', { amount: Balance }),
  },
  errors: {
    InsufficientBalance: 'The account has less than this free.',
    TooManyLocks: 'The account has as many locks as it may have.',
  },
});

/** Whether an account must stay open after it paid. */
export type Preservation = 'expendable' | 'preserve';
const TRANSFER_PS = 50_000_000n;

export const Balances = rules(Declared, {
  calls: {
    transfer_allow_death: {
      index: 0,
      doc: 'Moves `value` to `dest`; an account that keeps less than the existential deposit is closed.',
      args: { dest: MultiAddress, value: compact },
      weight: rw(2, 2, TRANSFER_PS),
      run(at, { dest, value }) {
        transfer(at, at.signer, lookup(dest), value, 'expendable');
      },
    },
    transfer_keep_alive: {
      index: 3,
      doc: 'Moves `value` to `dest`; refused where that would close the sender.',
      args: { dest: MultiAddress, value: compact },
      weight: rw(2, 2, TRANSFER_PS),
      run(at, { dest, value }) {
        transfer(at, at.signer, lookup(dest), value, 'preserve');
      },
    },
    transfer_all: {
      index: 4,
      doc: 'Moves all that can be spent to `dest`; with `keep_alive` the sender stays open.',
      args: { dest: MultiAddress, keep_alive: bool },
      weight: rw(2, 2, TRANSFER_PS),
      run(at, { dest, keep_alive }) {
        const keep = keep_alive ? 'preserve' : 'expendable';
        transfer(at, at.signer, lookup(dest), reducible(at, at.signer, keep), keep);
      },
    },
  },
  genesis: {
    config: { balances: vec(tuple(AccountId, Balance)) },
    build(at, { balances }) {
      for (const [who, amount] of balances) deposit(at, who, amount);
    },
    close(at) {
      const issuance = inAccounts(at) + at.holdings();
      at.state.TotalIssuance.put(issuance);
      at.state.GenesisIssuance.put(issuance);
    },
  },
  invariant(at) {
    const issuance = at.state.TotalIssuance.get();
    if (issuance + at.state.Burned.get() !== at.state.GenesisIssuance.get()) return 'units appeared or vanished';
    if (inAccounts(at) + at.holdings() !== issuance) return 'accounts and holdings do not sum to TotalIssuance';
    for (const [who, { consumers, data }] of at.use(System).state.Account.entries()) {
      if (data.free > 0n && data.free < at.const.ExistentialDeposit && data.reserved === 0n) return 'a crumb is held';
      if (data.frozen !== lockedTotal(at.state.Locks.get(who))) return 'frozen is not the largest lock';
      if (data.frozen + data.reserved > 0n && consumers === 0) return 'a bound account could close';
    }
    return true;
  },
});

type At = Scope<typeof Declared>;

/** Units in System.Account. */
function inAccounts(chain: Chain): bigint {
  let sum = 0n;
  for (const [, { data }] of chain.use(System).state.Account.entries()) sum += data.free + data.reserved;
  return sum;
}

/** What an account may spend now: free less what is locked, and less the deposit where it must stay open. */
function reducible(chain: Chain, who: AccountId, keep: Preservation): bigint {
  return reducibleOf(chain, chain.use(System).state.Account.get(who), keep);
}

/** As `reducible`, of an account that was read before. */
export function reducibleOf(chain: Chain, info: AccountInfo, keep: Preservation): bigint {
  const { free, reserved, frozen } = info.data;
  const bound = keep === 'preserve' || (free > 0n && !mayClose(info));
  // What is reserved counts towards what is locked, as wallets reckon it.
  const untouchable = max(max(0n, frozen - reserved), bound ? chain.spec.existentialDeposit : 0n);
  return max(0n, free - untouchable);
}

function mayClose(info: AccountInfo): boolean {
  return info.consumers === 0 || info.providers > 1;
}

/** Moves `amount`; fails with Substrate's token errors. */
function transfer(chain: Chain, from: AccountId, to: AccountId, amount: bigint, keep: Preservation): void {
  const at = chain.use(Declared);
  const sender = at.use(System).state.Account.get(from);
  checkWithdraw(at, sender, amount, keep);
  const receiver = at.use(System).state.Account.get(to);
  if (amount > 0n && receiver.data.free + amount < at.const.ExistentialDeposit) throw tokenError('BelowMinimum');
  if (!sameAccount(from, to)) {
    update(at, from, sender, { ...sender.data, free: sender.data.free - amount });
    update(at, to, receiver, { ...receiver.data, free: receiver.data.free + amount });
  }
  at.emit.Transfer({ from, to, amount });
}

/** Fails unless the account can spend `amount`. */
function checkWithdraw(at: At, info: AccountInfo, amount: bigint, keep: Preservation): void {
  assert(amount >= 0n, 'a negative amount');
  if (amount === 0n) return;
  const { free, reserved, frozen } = info.data;
  if (free < amount) throw tokenError('FundsUnavailable');
  if (frozen > reserved && amount > free - (frozen - reserved)) throw tokenError('Frozen');
  if (free - amount >= at.const.ExistentialDeposit) return;
  if (!mayClose(info)) throw tokenError('OnlyProvider');
  if (keep === 'preserve') throw tokenError('NotExpendable');
}

/** Whether an account that receives `amount` has at least the existential deposit then. */
function canDeposit(chain: Chain, who: AccountId, amount: bigint): boolean {
  return chain.use(System).state.Account.get(who).data.free + amount >= chain.spec.existentialDeposit;
}

/**
 * Pays `amount` to an account out of what the calling pallet holds: the caller lowers its holdings by it. Fails with
 * Token.BelowMinimum where it cannot open the account.
 */
export function deposit(chain: Chain, who: AccountId, amount: bigint): void {
  const at = chain.use(Declared);
  assert(amount >= 0n, 'a negative amount');
  if (amount === 0n) return;
  const info = at.use(System).state.Account.get(who);
  if (info.data.free + amount < at.const.ExistentialDeposit) throw tokenError('BelowMinimum');
  update(at, who, info, { ...info.data, free: info.data.free + amount });
  at.emit.Deposit({ who, amount });
}

/** As `deposit`, but gives false where the account cannot be opened by so little. */
export function credit(chain: Chain, who: AccountId, amount: bigint): boolean {
  if (amount > 0n && !canDeposit(chain, who, amount)) return false;
  deposit(chain, who, amount);
  return true;
}

/** Takes `amount` from an account into what the calling pallet holds: the caller raises its holdings by it. */
export function withdraw(chain: Chain, who: AccountId, amount: bigint, keep: Preservation): void {
  const at = chain.use(Declared);
  if (amount === 0n) return;
  const info = at.use(System).state.Account.get(who);
  checkWithdraw(at, info, amount, keep);
  update(at, who, info, { ...info.data, free: info.data.free - amount });
  at.emit.Withdraw({ who, amount });
}

/** Destroys `amount` that the calling pallet held: the caller lowers its holdings by it. */
export function burn(chain: Chain, amount: bigint): void {
  const at = chain.use(Declared);
  if (amount === 0n) return;
  destroy(at, amount);
  at.emit.Rescinded({ amount });
}

/**
 * Takes up to `amount` as a penalty, first from free, then from reserved, locks or not, into what the calling pallet
 * holds; leaves the existential deposit where the account may not close. Returns what was taken.
 */
export function slash(chain: Chain, who: AccountId, amount: bigint): bigint {
  const at = chain.use(Declared);
  const info = at.use(System).state.Account.get(who);
  const floor = mayClose(info) ? 0n : min(at.const.ExistentialDeposit, info.data.free);
  const free = min(amount, info.data.free - floor);
  const reserved = min(amount - free, info.data.reserved);
  const taken = free + reserved;
  if (taken === 0n) return 0n;
  const { data } = info;
  update(at, who, info, { ...data, free: data.free - free, reserved: data.reserved - reserved });
  at.emit.Slashed({ who, amount: taken });
  return taken;
}

/** Sets `amount` aside in the account's own name; fails unless it is free and the account keeps the deposit. */
export function reserve(chain: Chain, who: AccountId, amount: bigint): void {
  const at = chain.use(Declared);
  if (amount === 0n) return;
  const info = at.use(System).state.Account.get(who);
  at.ensure(reducibleOf(at, info, 'preserve') >= amount, 'InsufficientBalance');
  const { data } = info;
  update(at, who, info, { ...data, free: data.free - amount, reserved: data.reserved + amount });
  at.emit.Reserved({ who, amount });
}

/** Frees up to `amount` of what is reserved; returns what was freed. */
export function unreserve(chain: Chain, who: AccountId, amount: bigint): bigint {
  const at = chain.use(Declared);
  const info = at.use(System).state.Account.get(who);
  const { data } = info;
  const freed = min(amount, data.reserved);
  if (freed === 0n) return 0n;
  update(at, who, info, { ...data, free: data.free + freed, reserved: data.reserved - freed });
  at.emit.Unreserved({ who, amount: freed });
  return freed;
}

/**
 * Locks `amount` of what an account holds under an id of 8 characters; replaces a lock of that id, and 0 removes it.
 * Locks overlap: what may not be spent is the largest. A lock may exceed the balance.
 */
export function lock(chain: Chain, name: string, who: AccountId, amount: bigint): void {
  const at = chain.use(Declared);
  const id = utf8(name);
  const others = at.state.Locks.get(who).filter((one) => !sameAccount(one.id, id));
  const locks = amount > 0n ? [...others, { id, amount, reasons: { type: 'All' as const } }] : others;
  at.ensure(locks.length <= MAX_LOCKS, 'TooManyLocks');
  if (locks.length > 0) at.state.Locks.put(who, locks);
  else at.state.Locks.delete(who);
  const info = at.use(System).state.Account.get(who);
  const before = info.data.frozen;
  const frozen = lockedTotal(locks);
  if (frozen === before) return;
  update(at, who, info, { ...info.data, frozen });
  if (frozen > before) at.emit.Locked({ who, amount: frozen - before });
  else at.emit.Unlocked({ who, amount: before - frozen });
}

/** Removes the lock of this id, if there is one. */
export function unlock(chain: Chain, name: string, who: AccountId): void {
  lock(chain, name, who, 0n);
}

function lockedTotal(locks: readonly Of<typeof BalanceLock>[]): bigint {
  return locks.reduce((most, { amount }) => max(most, amount), 0n);
}

function sameAccount(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || equal(a, b);
}

function destroy(at: At, amount: bigint): void {
  at.state.TotalIssuance.mutate((issuance) => issuance - amount);
  at.state.Burned.mutate((burned) => burned + amount);
}

/**
 * Gives the account `info` of `who` other holdings and keeps it in step: it opens with the existential deposit, closes
 * without it, and cannot close while anything of it is reserved or locked. A crumb that it leaves is burned.
 */
function update(at: At, who: AccountId, info: AccountInfo, next: AccountData): void {
  assert(next.free >= 0n && next.reserved >= 0n, 'a negative balance');
  const deposit = at.const.ExistentialDeposit;
  const provided = info.data.free >= deposit;
  const provides = next.free >= deposit;
  const consumed = info.data.reserved > 0n || info.data.frozen > 0n;
  const consumes = next.reserved > 0n || next.frozen > 0n;
  const accounts = at.use(System).state.Account;
  if (provided && provides && consumed === consumes) {
    accounts.put(who, { ...info, data: next });
    return;
  }
  if (consumes && !consumed && info.providers === 0 && !provides) throw dispatchError('NoProviders');
  const consumers = info.consumers + Number(consumes) - Number(consumed);
  if (provided && !provides && info.providers === 1 && consumers > 0) throw dispatchError('ConsumerRemaining');
  const providers = info.providers + Number(provides) - Number(provided);
  const dust = provides || next.reserved > 0n ? 0n : next.free;
  const data = dust > 0n ? { ...next, free: 0n } : next;
  const closed = providers + info.sufficients === 0;
  assert(!closed || data.free + data.reserved === 0n, 'an account that nothing provides for holds something');
  if (closed) accounts.delete(who);
  else accounts.put(who, { ...info, consumers, providers, data });
  const opened = info.providers + info.sufficients === 0;
  if (opened && !closed) {
    at.use(System).emit.NewAccount({ account: who });
    at.emit.Endowed({ account: who, free_balance: data.free });
  }
  if (dust > 0n) {
    destroy(at, dust);
    at.emit.DustLost({ account: who, amount: dust });
  }
  if (closed && !opened) at.use(System).emit.KilledAccount({ account: who });
}
