/**
 * # Reserves: what an account owns and may not spend: reserved, held for a reason, or locked.
 *
 * Always true: what is held lies inside what is reserved; locks lie inside free, and the largest counts.
 */
import { assert } from '../../../base/assert.ts';
import { equal, utf8 } from '../../../base/bytes.ts';
import { max, min } from '../../../base/fixed.ts';
import type { Chain } from '../../chain.ts';
import { tokenError } from '../../errors.ts';
import type { AccountId } from '../../types.ts';
import { System } from '../system.ts';
import { mayClose, reducibleOf, sameAccount, update } from './moves.ts';
import { BalancesDeclared, type BalancesScope, MAX_LOCKS } from './state.ts';
import { type BalanceLock, HoldReason } from './types.ts';

/**
 * Takes up to `amount` as a penalty into what the calling pallet holds: first from free, then from reserved, locks or
 * not, but nothing that is held; leaves the existential deposit where the account may not close. Returns what it took.
 */
export function slash(chain: Chain, who: AccountId, amount: bigint): bigint {
  const at = chain.use(BalancesDeclared);
  const info = at.use(System).state.Account.get(who);
  const floor = mayClose(info) ? 0n : min(at.const.ExistentialDeposit, info.data.free);
  const free = min(amount, info.data.free - floor);
  const reserved = min(amount - free, info.data.reserved - heldOf(at.state.Holds.get(who)));
  const taken = free + reserved;
  if (taken === 0n) return 0n;
  const { data } = info;
  update(at, who, info, { ...data, free: data.free - free, reserved: data.reserved - reserved });
  at.emit.Slashed({ who, amount: taken });
  return taken;
}

/** Sets `amount` aside in the account's own name; fails unless it is free and the account keeps the deposit. */
export function reserve(chain: Chain, who: AccountId, amount: bigint): void {
  const at = chain.use(BalancesDeclared);
  if (amount === 0n) return;
  const info = at.use(System).state.Account.get(who);
  at.ensure(reducibleOf(at, info, 'preserve') >= amount, 'InsufficientBalance');
  const { data } = info;
  update(at, who, info, { ...data, free: data.free - amount, reserved: data.reserved + amount });
  at.emit.Reserved({ who, amount });
}

/** Frees up to `amount` of what is reserved and not held; returns what was freed. */
export function unreserve(chain: Chain, who: AccountId, amount: bigint): bigint {
  const at = chain.use(BalancesDeclared);
  const info = at.use(System).state.Account.get(who);
  const { data } = info;
  const freed = min(amount, data.reserved - heldOf(at.state.Holds.get(who)));
  if (freed === 0n) return 0n;
  update(at, who, info, { ...data, free: data.free + freed, reserved: data.reserved - freed });
  at.emit.Unreserved({ who, amount: freed });
  return freed;
}

/** Reserves or frees what a deposit changed by. */
export function changeReserve(chain: Chain, who: AccountId, before: bigint, after: bigint): void {
  if (after > before) reserve(chain, who, after - before);
  else unreserve(chain, who, before - after);
}

/** Pays up to `amount` out of one account's reserve into another's free balance, which must be open; returns it. */
export function repatriate(chain: Chain, from: AccountId, to: AccountId, amount: bigint): bigint {
  const at = chain.use(BalancesDeclared);
  if (sameAccount(from, to)) return unreserve(chain, from, amount);
  const { Account } = at.use(System).state;
  if (!Account.has(to)) at.fail('DeadAccount');
  const giver = Account.get(from);
  const moved = min(amount, giver.data.reserved - heldOf(at.state.Holds.get(from)));
  if (moved === 0n) return 0n;
  update(at, from, giver, { ...giver.data, reserved: giver.data.reserved - moved });
  const taker = Account.get(to);
  update(at, to, taker, { ...taker.data, free: taker.data.free + moved });
  at.emit.ReserveRepatriated({ from, to, amount: moved, destination_status: { type: 'Free' } });
  return moved;
}

/** Takes up to `amount` of what is reserved and not held into what the calling pallet holds; returns what it took. */
export function slashReserved(chain: Chain, who: AccountId, amount: bigint): bigint {
  const at = chain.use(BalancesDeclared);
  const info = at.use(System).state.Account.get(who);
  const taken = min(amount, info.data.reserved - heldOf(at.state.Holds.get(who)));
  if (taken === 0n) return 0n;
  update(at, who, info, { ...info.data, reserved: info.data.reserved - taken });
  at.emit.Slashed({ who, amount: taken });
  return taken;
}

/** Holds `amount` for a reason; fails unless it is free and the account keeps the deposit. */
export function hold(chain: Chain, reason: HoldReason, who: AccountId, amount: bigint): void {
  const at = chain.use(BalancesDeclared);
  if (amount === 0n) return;
  const info = at.use(System).state.Account.get(who);
  if (reducibleOf(at, info, 'preserve') < amount) throw tokenError('FundsUnavailable');
  const { data } = info;
  update(at, who, info, { ...data, free: data.free - amount, reserved: data.reserved + amount });
  changeHold(at, reason, who, amount);
  at.emit.Held({ reason, who, amount });
}

/** Frees `amount` of what is held for a reason; a bug where less is held. */
export function release(chain: Chain, reason: HoldReason, who: AccountId, amount: bigint): void {
  const at = chain.use(BalancesDeclared);
  if (amount === 0n) return;
  changeHold(at, reason, who, -amount);
  const info = at.use(System).state.Account.get(who);
  const { data } = info;
  update(at, who, info, { ...data, free: data.free + amount, reserved: data.reserved - amount });
  at.emit.Released({ reason, who, amount });
}

/** Takes `amount` of what is held for a reason into what the calling pallet holds; a bug where less is held. */
export function slashHeld(chain: Chain, reason: HoldReason, who: AccountId, amount: bigint): void {
  const at = chain.use(BalancesDeclared);
  if (amount === 0n) return;
  changeHold(at, reason, who, -amount);
  const info = at.use(System).state.Account.get(who);
  update(at, who, info, { ...info.data, reserved: info.data.reserved - amount });
  at.emit.Slashed({ who, amount });
}

function changeHold(at: BalancesScope, reason: HoldReason, who: AccountId, by: bigint): void {
  const id = HoldReason.enc(reason);
  const holds = at.state.Holds.get(who);
  const isOurs = (one: Held) => equal(HoldReason.enc(one.id), id);
  const amount = (holds.find(isOurs)?.amount ?? 0n) + by;
  assert(amount >= 0n, 'more is released than is held');
  const others = holds.filter((one) => !isOurs(one));
  if (amount > 0n) at.state.Holds.put(who, [...others, { id: reason, amount }]);
  else if (others.length > 0) at.state.Holds.put(who, others);
  else at.state.Holds.delete(who);
}

type Held = { readonly id: HoldReason; readonly amount: bigint };

export function heldOf(holds: readonly Held[]): bigint {
  return holds.reduce((sum, { amount }) => sum + amount, 0n);
}

/**
 * Locks `amount` of what an account holds under an id of 8 characters; replaces a lock of that id, and 0 removes it.
 * Locks overlap: what may not be spent is the largest. A lock may exceed the balance.
 */
export function lock(chain: Chain, name: string, who: AccountId, amount: bigint): void {
  const at = chain.use(BalancesDeclared);
  const id = utf8(name);
  const others = at.state.Locks.get(who).filter((one) => !sameAccount(one.id, id));
  const locks = amount > 0n ? [...others, { id, amount, reasons: { type: 'All' as const } }] : others;
  at.ensure(locks.length <= MAX_LOCKS, 'TooManyLocks');
  if (locks.length > 0) at.state.Locks.put(who, locks);
  else at.state.Locks.delete(who);
  const info = at.use(System).state.Account.get(who);
  const before = info.data.frozen;
  const frozen = largestLock(locks);
  if (frozen === before) return;
  update(at, who, info, { ...info.data, frozen });
  if (frozen > before) at.emit.Locked({ who, amount: frozen - before });
  else at.emit.Unlocked({ who, amount: before - frozen });
}

/** Removes the lock of this id, if there is one. */
export function unlock(chain: Chain, name: string, who: AccountId): void {
  lock(chain, name, who, 0n);
}

/** Units that the locks freeze together: they overlap, so it is those of the largest. */
export function largestLock(locks: readonly BalanceLock[]): bigint {
  return locks.reduce((most, { amount }) => max(most, amount), 0n);
}
