/**
 * # Rewards: one pool, paid out for accepted work and for nothing else.
 *
 * Always true: pool + sum(free + reserved) + pending + held + treasury + burned = genesis; no code path mints. An
 * account without accepted work earns nothing, whatever it holds. All divisions floor; what they leave stays in the
 * pool.
 */
import type { Bytes } from '../../base/bytes.ts';
import { min } from '../../base/fixed.ts';
import type { Chain } from '../chain.ts';
import * as economy from '../economy.ts';
import { rules } from '../pallet.ts';
import { Balance } from '../types.ts';
import { credit, lock } from './balances.ts';
import { brokenLedger, payEra, standingIn } from './rewards/era.ts';
import { type Payout, RewardsDeclared, type RewardsScope } from './rewards/state.ts';

export { scoreOf, stakeFor, standingIn } from './rewards/era.ts';
export { type Earned, type EraRecord, RewardsDeclared, Standing } from './rewards/state.ts';

/** Balances' name of the lock under which earned tokens serve as bond (rule E). */
const BOND_LOCK = 'cpowbond';
/** Locked until eight fragments' worth are earned (rule E). */
const BOND_FRAGMENTS = 8n;
/** Accounts that are paid in a block; what an era earned them waits in a queue. 64 cost 3 to 6 ms. */
const PAID_PER_BLOCK = 64;

export const Rewards = rules(RewardsDeclared, {
  hooks: {
    on_initialize: payDue,
    on_era(at, era) {
      payEra(at, era);
      payDue(at);
    },
  },
  genesis: {
    config: { pool: Balance },
    build(at, { pool }) {
      at.state.Pool.put(pool);
    },
  },
  holdings({ state }) {
    const waiting = state.PendingTotal.get() + state.DueTotal.get() + state.Held.get();
    return state.Pool.get() + waiting + state.Treasury.get();
  },
  invariant(at) {
    let pending = 0n;
    for (const [, amount] of at.state.Pending.entries()) pending += amount;
    if (pending !== at.state.PendingTotal.get()) return 'Pending does not sum to PendingTotal';
    let due = 0n;
    for (const [, { compute, check }] of at.state.Due.entries()) due += compute + check;
    if (due !== at.state.DueTotal.get()) return 'Due does not sum to DueTotal';
    return brokenLedger(at);
  },
});

/** Counts a certificate's CU for the running era. */
export function creditWork(chain: Chain, miner: Bytes, cu: bigint): void {
  const at = chain.use(RewardsDeclared);
  at.state.Minted.mutate(at.block.era, miner, (before) => before + cu);
}

/** Counts re-executed CU of a checker for the running era. */
export function creditCheck(chain: Chain, checker: Bytes, cu: bigint): void {
  const at = chain.use(RewardsDeclared);
  at.state.Checked.mutate(at.block.era, checker, (before) => before + cu);
}

/** Sets aside the pay of a block's author until its win is proven; returns the amount. */
export function holdAuthorPay(chain: Chain, author: Bytes): bigint {
  const at = chain.use(RewardsDeclared);
  const earned = economy.authorPay(at.state.AuthorsPot.get(), at.spec.eraBlocks, reputationOf(chain, author));
  const pay = min(earned, at.state.Pool.get());
  at.state.Pool.mutate((pool) => pool - pay);
  at.state.Held.mutate((held) => held + pay);
  return pay;
}

/** The win was proven: what was set aside is paid. */
export function vestAuthorPay(chain: Chain, author: Bytes, amount: bigint): void {
  const at = chain.use(RewardsDeclared);
  at.state.Held.mutate((held) => held - amount);
  pay(at, author, amount, 'Author');
}

/** The win was not proven: what was set aside goes back. */
export function forfeitAuthorPay(chain: Chain, author: Bytes, amount: bigint, why: string): void {
  const at = chain.use(RewardsDeclared);
  at.state.Held.mutate((held) => held - amount);
  at.state.Pool.mutate((pool) => pool + amount);
  if (amount > 0n) at.emit.Forfeited({ account: author, amount, why });
}

/** Reputation in parts of 10^9 in the running era. */
export function reputationOf(chain: Chain, account: Bytes): bigint {
  const at = chain.use(RewardsDeclared);
  return standingIn(at.state.Reputation.get(account), at.block.era);
}

/** A rejected fragment halves reputation; a missed deadline or duty takes a sixty-fourth. */
export function damage(chain: Chain, account: Bytes, what: 'fraud' | 'timeout'): void {
  const at = chain.use(RewardsDeclared);
  const lower = what === 'fraud' ? economy.reputationAfterFraud : economy.reputationAfterTimeout;
  const era = Math.max(0, at.block.era - 1);
  at.state.Reputation.put(account, { perbill: lower(reputationOf(chain, account)), era });
}

/** Pays the next accounts of the queue, in the order of the state. */
function payDue(at: RewardsScope): void {
  if (at.state.DueTotal.get() === 0n) return;
  const next: [Bytes, Payout][] = [];
  for (const entry of at.state.Due.entries()) {
    if (next.length === PAID_PER_BLOCK) break;
    next.push(entry);
  }
  for (const [who, { compute, check }] of next) {
    at.state.Due.delete(who);
    at.state.DueTotal.mutate((total) => total - compute - check);
    pay(at, who, compute, 'Compute');
    pay(at, who, check, 'Check');
  }
}

/** Pays what already left its pot: into the account if that can be open, else it stays pending. */
function pay(at: RewardsScope, who: Bytes, amount: bigint, kind: 'Compute' | 'Author' | 'Check'): void {
  if (amount === 0n) return;
  const field = kind === 'Compute' ? 'compute' : kind === 'Author' ? 'author' : 'check';
  const earned = at.state.Earned.mutate(who, (before) => ({ ...before, [field]: before[field] + amount }));
  const waiting = at.state.Pending.get(who) ?? 0n;
  if (credit(at, who, waiting + amount)) {
    if (waiting > 0n) at.state.Pending.delete(who);
    at.state.PendingTotal.mutate((total) => total - waiting);
    const bond = BOND_FRAGMENTS * at.state.BondPrice.get();
    lock(at, BOND_LOCK, who, min(earned.compute + earned.author + earned.check, bond));
  } else {
    at.state.Pending.put(who, waiting + amount);
    at.state.PendingTotal.mutate((total) => total + amount);
  }
  at.emit.Paid({ account: who, amount, kind: { type: kind, value: at.block.era } });
}
