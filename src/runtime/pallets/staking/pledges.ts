/**
 * # Pledges: bonds that are locked for a time, and the income that they share (FEATURES.md 6.6).
 *
 * Always true: an account's pledges are part of what it has bonded and cannot be unbonded before their time; income is
 * shared by `amount * m(days)` through one accumulator, so that it costs the same however many share it; what is paid
 * out is at most what came in.
 */
import type { Bytes } from '../../../base/bytes.ts';
import { clamp, min, PERBILL } from '../../../base/fixed.ts';
import type { Chain } from '../../chain.ts';
import { credit } from '../balances.ts';
import { ledgerOf } from './ledger.ts';
import { StakingDeclared, type StakingScope } from './state.ts';
import { MAX_PLEDGES, type Pledge } from './types.ts';

const MIN_DAYS = 30;
const MAX_DAYS = 1_460;
const DAY_MS = 86_400_000;
/** What the longest lock earns beyond the shortest, in parts of 10^9. */
const MOST_EXTRA = 2n * PERBILL;
/** Stakers' part of a platform's income, in thousandths. */
const INCOME_PER_MILLE = 102n;
const PER_SHARE = 1_000_000_000_000_000_000n;

/** What a unit locked for so many days counts, in parts of 10^9: 1 at 30 days, 3 at four years. */
export function pledgeMultiplier(days: number): bigint {
  const counted = clamp(BigInt(days), BigInt(MIN_DAYS), BigInt(MAX_DAYS));
  return PERBILL + ((counted - BigInt(MIN_DAYS)) * MOST_EXTRA) / BigInt(MAX_DAYS - MIN_DAYS);
}

/** What of an income is shared among pledges. */
export function stakersPart(income: bigint): bigint {
  return (income * INCOME_PER_MILLE) / 1_000n;
}

/**
 * Takes the stakers' part of an income out of what the calling pallet holds; returns it, 0 while nobody has pledged.
 * For pallets that take fees for a platform.
 */
export function shareIncome(chain: Chain, income: bigint): bigint {
  const at = chain.use(StakingDeclared);
  const shares = at.state.PledgeShares.get();
  const part = shares === 0n ? 0n : stakersPart(income);
  if (part === 0n) return 0n;
  at.state.IncomePerShare.mutate((sum) => sum + (part * PER_SHARE) / shares);
  at.state.Income.mutate((held) => held + part);
  return part;
}

/** Locks part of the account's bond for some days. */
export function pledge(at: StakingScope, who: Bytes, amount: bigint, days: number): void {
  at.ensure(days >= MIN_DAYS && days <= MAX_DAYS, 'BadDuration');
  const pledges = at.state.Pledges.get(who);
  at.ensure(pledges.length < MAX_PLEDGES, 'TooManyPledges');
  const bound = pledges.reduce((sum, one) => sum + one.amount, amount);
  at.ensure(amount >= at.const.MinBond && bound <= ledgerOf(at, who).active, 'InsufficientBond');
  const until = at.block.number + Math.ceil((days * DAY_MS) / at.spec.blockTimeMs);
  const shares = sharesFor(amount, days);
  at.state.Pledges.put(who, [...pledges, { amount, shares, days, until, paid_at: at.state.IncomePerShare.get() }]);
  at.state.PledgeShares.mutate((sum) => sum + shares);
  at.state.PledgedTotal.mutate((sum) => sum + amount);
  at.emit.Pledged({ stash: who, amount, days });
}

function sharesFor(amount: bigint, days: number): bigint {
  return (amount * pledgeMultiplier(days)) / PERBILL;
}

/** What an account's pledges have earned and were not paid. */
function incomeOf(perShare: bigint, pledges: readonly Pledge[]): bigint {
  return pledges.reduce((sum, { shares, paid_at }) => sum + ((perShare - paid_at) * shares) / PER_SHARE, 0n);
}

/** Pays what the account's pledges have earned; what cannot open an account stays. */
export function payIncome(at: StakingScope, who: Bytes): void {
  const pledges = at.state.Pledges.get(who);
  const perShare = at.state.IncomePerShare.get();
  const amount = incomeOf(perShare, pledges);
  if (amount === 0n || !credit(at, who, amount)) return;
  at.state.Income.mutate((held) => held - amount);
  put(
    at,
    who,
    pledges.map((one) => ({ ...one, paid_at: perShare })),
  );
  at.emit.Rewarded({ stash: who, dest: { type: 'Stash', value: undefined }, amount });
}

/** Ends the account's pledge of this number, whose time is over, and pays what it earned. */
export function endPledge(at: StakingScope, who: Bytes, index: number): void {
  payIncome(at, who);
  const pledges = at.state.Pledges.get(who);
  const ended = at.some(pledges[index], 'NoPledge');
  at.ensure(ended.until <= at.block.number, 'NoPledge');
  put(
    at,
    who,
    pledges.filter((_, i) => i !== index),
  );
  at.state.PledgeShares.mutate((sum) => sum - ended.shares);
  at.state.PledgedTotal.mutate((sum) => sum - ended.amount);
  at.emit.PledgeEnded({ stash: who, amount: ended.amount });
}

/** After a slash: pledges bind no more than is bonded. The latest lose first. */
export function trimPledges(at: StakingScope, who: Bytes): void {
  const active = at.state.Ledger.get(who)?.active ?? 0n;
  const bound = at.state.Pledges.get(who).reduce((sum, { amount }) => sum + amount, 0n);
  if (bound <= active) return;
  payIncome(at, who);
  let excess = bound - active;
  let sharesLost = 0n;
  const kept: Pledge[] = [];
  for (const one of at.state.Pledges.get(who).toReversed()) {
    const lost = min(excess, one.amount);
    excess -= lost;
    const amount = one.amount - lost;
    const shares = lost === 0n ? one.shares : sharesFor(amount, one.days);
    sharesLost += one.shares - shares;
    if (amount > 0n) kept.unshift({ ...one, amount, shares });
  }
  at.state.PledgeShares.mutate((sum) => sum - sharesLost);
  at.state.PledgedTotal.mutate((sum) => sum - (bound - active));
  put(at, who, kept);
}

function put(at: StakingScope, who: Bytes, pledges: Pledge[]): void {
  if (pledges.length > 0) at.state.Pledges.put(who, pledges);
  else at.state.Pledges.delete(who);
}

/** True, or what is broken. */
export function brokenPledges(at: StakingScope): string | true {
  let shares = 0n;
  let units = 0n;
  let owed = 0n;
  for (const [, pledges] of at.state.Pledges.entries()) {
    for (const one of pledges) {
      shares += one.shares;
      units += one.amount;
    }
    owed += incomeOf(at.state.IncomePerShare.get(), pledges);
  }
  if (shares !== at.state.PledgeShares.get() || units !== at.state.PledgedTotal.get()) return 'pledges do not sum up';
  return owed <= at.state.Income.get() || 'more income is owed than there is';
}
