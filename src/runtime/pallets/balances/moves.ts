/**
 * # Moves: how units go from account to account, to and from what pallets hold, and out of existence.
 *
 * Always true: an account that changes is in step afterwards: open, closed and bound as its holdings say.
 */
import { assert } from '../../../base/assert.ts';
import { equal } from '../../../base/bytes.ts';
import { max } from '../../../base/fixed.ts';
import type { Chain } from '../../chain.ts';
import { dispatchError, tokenError } from '../../errors.ts';
import type { AccountData, AccountId, AccountInfo } from '../../types.ts';
import { System } from '../system.ts';
import { BalancesDeclared, type BalancesScope, type Preservation } from './state.ts';

/** What an account may spend now: free less what is locked, and less the deposit where it must stay open. */
export function reducible(chain: Chain, who: AccountId, keep: Preservation): bigint {
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

export function mayClose(info: AccountInfo): boolean {
  return info.consumers === 0 || info.providers > 1;
}

/** Moves `amount`; fails with Substrate's token errors. */
export function transfer(chain: Chain, from: AccountId, to: AccountId, amount: bigint, keep: Preservation): void {
  const at = chain.use(BalancesDeclared);
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
function checkWithdraw(at: BalancesScope, info: AccountInfo, amount: bigint, keep: Preservation): void {
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
  const at = chain.use(BalancesDeclared);
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
  const at = chain.use(BalancesDeclared);
  if (amount === 0n) return;
  const info = at.use(System).state.Account.get(who);
  checkWithdraw(at, info, amount, keep);
  update(at, who, info, { ...info.data, free: info.data.free - amount });
  at.emit.Withdraw({ who, amount });
}

/** Destroys what an account owns. */
export function burnFrom(at: BalancesScope, who: AccountId, amount: bigint, keep: Preservation): void {
  const info = at.use(System).state.Account.get(who);
  checkWithdraw(at, info, amount, keep);
  update(at, who, info, { ...info.data, free: info.data.free - amount });
  destroy(at, amount);
  at.emit.Burned({ who, amount });
}

/** Lowers what an account has free; below the existential deposit it has nothing. */
export function setFree(at: BalancesScope, who: AccountId, amount: bigint): void {
  const info = at.use(System).state.Account.get(who);
  const free = amount < at.const.ExistentialDeposit ? 0n : amount;
  at.ensure(free <= info.data.free, 'IssuanceDeactivated');
  if (free < info.data.free) {
    update(at, who, info, { ...info.data, free });
    destroy(at, info.data.free - free);
  }
  at.emit.BalanceSet({ who, free });
}

/** Destroys `amount` that the calling pallet held: the caller lowers its holdings by it. */
export function burn(chain: Chain, amount: bigint): void {
  const at = chain.use(BalancesDeclared);
  if (amount === 0n) return;
  destroy(at, amount);
  at.emit.Rescinded({ amount });
}

export function sameAccount(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || equal(a, b);
}

function destroy(at: BalancesScope, amount: bigint): void {
  at.state.TotalIssuance.mutate((issuance) => issuance - amount);
  at.state.Burned.mutate((burned) => burned + amount);
}

/**
 * Gives the account `info` of `who` other holdings and keeps it in step: it opens with the existential deposit, closes
 * without it, and cannot close while anything of it is reserved or locked. A crumb that it leaves is burned.
 */
export function update(at: BalancesScope, who: AccountId, info: AccountInfo, next: AccountData): void {
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
