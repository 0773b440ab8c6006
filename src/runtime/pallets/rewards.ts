/**
 * # Rewards: one pool, paid out for accepted work and for nothing else.
 *
 * Always true: pool + sum(free + reserved) + pending + held + treasury + burned = genesis; no code path mints. An
 * account without accepted work earns nothing, whatever it holds. All divisions floor; what they leave stays in the pool.
 */
import type { Bytes } from '../../base/bytes.ts';
import { min, mulDivFloor, PERBILL } from '../../base/fixed.ts';
import { type Of, str, struct, u32, u64, u128, variant } from '../../codec/index.ts';
import type { StateReader } from '../access.ts';
import type { Chain } from '../chain.ts';
import * as economy from '../economy.ts';
import { constant, event, pallet, rules, type Scope } from '../pallet.ts';
import { map, twox64Concat, value } from '../storage.ts';
import { AccountId, Balance } from '../types.ts';
import { credit, lock } from './balances.ts';

const PATH = 'pallet_rewards';
/** Balances' name of the lock under which earned tokens serve as bond (rule E). */
const BOND_LOCK = 'cpowbond';
/** Locked until eight fragments' worth are earned (rule E). */
const BOND_FRAGMENTS = 8n;
const NO_TIER = PERBILL;

export const Earned = struct({ compute: u128, author: u128, check: u128 }, { path: `${PATH}::Earned` });
export type Earned = Of<typeof Earned>;

export const EraRecord = struct(
  {
    release: u128,
    utilisation: u64,
    /** What was released times utilisation, and its three pots. */
    reff: u128,
    train: u128,
    authors: u128,
    verify: u128,
    /** Streamed CU of all miners; CU re-executed by all checkers. */
    work: u64,
    checked: u64,
    scores: u128,
    paid_compute: u128,
    paid_check: u128,
    /** Certificate pay per CU times 10^9. */
    rho: u128,
  },
  { path: `${PATH}::EraRecord` },
);
export type EraRecord = Of<typeof EraRecord>;

const PayKind = variant({ Compute: u32, Author: u32, Check: u32 }, { path: `${PATH}::PayKind` });
const ERA = twox64Concat(u32, 'eras are counted by the chain');

export const RewardsDeclared = pallet('Rewards', {
  index: 43,
  doc: 'The fixed pool and what it pays for accepted work.',
  constants: {
    ReleaseFactor: constant('Share of the pool released an era, of 2^64.', u128, (s) => s.rewards.releaseFactor),
    Tail: constant('The least that an era releases while the pool lasts.', Balance, (s) => s.rewards.tail),
    MinWork: constant('CU an era at which release is whole.', u64, (s) => s.rewards.minWorkCu),
    Beta: constant('What stake can add to a score, in parts of 10^9.', u32, (s) => s.rewards.betaPerbill),
  },
  storage: {
    Pool: value('What was never paid.', Balance, 0n),
    Endowment: value('All units at genesis, in whatever hands.', Balance, 0n),
    Pending: map('Earned, but too little to open an account.', AccountId, Balance),
    PendingTotal: value('Sum of Pending.', Balance, 0n),
    Held: value('Author pay whose win is not yet proven.', Balance, 0n),
    Treasury: value('What governance may spend.', Balance, 0n),
    Reputation: map('Reputation in parts of 10^9.', AccountId, u64, economy.REPUTATION_START),
    Minted: map('CU of certificates by era and miner.', [ERA, AccountId], u64, 0n),
    Checked: map('CU re-executed by era and checker.', [ERA, AccountId], u64, 0n),
    Earned: map('All that an account was ever paid.', AccountId, Earned, { compute: 0n, author: 0n, check: 0n }),
    Eras: map('How each era was paid.', ERA, EraRecord),
    Average: value('Moving average of streamed CU.', u128, 0n),
    AuthorsPot: value('The last era’s pot for block authors.', Balance, 0n),
    BondPrice: value('The certificate pay of a reference fragment.', Balance, 0n),
  },
  events: {
    Paid: event('An account was paid.', { account: AccountId, amount: Balance, kind: PayKind }),
    Forfeited: event('Author pay went back to the pool.', { account: AccountId, amount: Balance, why: str }),
    EraPaid: event('An era was paid.', { era: u32, work: u64, release: Balance, paid: Balance }),
  },
  errors: {},
});
type At = Scope<typeof RewardsDeclared>;

export const Rewards = rules(RewardsDeclared, {
  hooks: {
    on_era(at, era) {
      payEra(at, era);
    },
  },
  genesis: {
    config: { pool: Balance },
    build(at, { pool }) {
      at.state.Pool.put(pool ?? 0n);
    },
  },
  holdings: (at) => at.state.Pool.get() + at.state.PendingTotal.get() + at.state.Held.get() + at.state.Treasury.get(),
  invariant(at) {
    let pending = 0n;
    for (const [, amount] of at.state.Pending.entries()) pending += amount;
    return pending === at.state.PendingTotal.get() || 'Pending does not sum to PendingTotal';
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
  const reputation = at.state.Reputation.get(author);
  const pay = min(economy.authorPay(at.state.AuthorsPot.get(), at.spec.eraBlocks, reputation), at.state.Pool.get());
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

/** A rejected fragment halves reputation; a missed deadline takes a sixty-fourth. */
export function damage(chain: Chain, account: Bytes, what: 'fraud' | 'timeout'): void {
  const at = chain.use(RewardsDeclared);
  const lower = what === 'fraud' ? economy.reputationAfterFraud : economy.reputationAfterTimeout;
  at.state.Reputation.mutate(account, lower);
}

/** Streamed CU of every miner in an era: a 24th of what was minted in it and the 23 before. */
export function streamedWork(
  state: { readonly Minted: Pick<StateReader<(typeof RewardsDeclared)['storage']>['Minted'], 'entries'> },
  era: number,
): Map<string, { who: Bytes; work: bigint }> {
  const minted = new Map<string, { who: Bytes; work: bigint }>();
  for (let e = Math.max(0, era - economy.STREAM_ERAS + 1); e <= era; e++) {
    for (const [[, who], cu] of state.Minted.entries(e)) {
      const key = who.join();
      minted.set(key, { who, work: (minted.get(key)?.work ?? 0n) + cu });
    }
  }
  for (const entry of minted.values()) entry.work = economy.streamed(entry.work);
  return minted;
}

// All payouts of an era are one block's work: with 2,000 miners about 60 ms (24 listings of the era's certificates).
function payEra(at: At, era: number): void {
  const { state } = at;
  const works = [...streamedWork(state, era).values()];
  const work = works.reduce((sum, w) => sum + w.work, 0n);
  const before = state.Average.get();
  const u = economy.utilisation(work, at.const.MinWork, before);
  const released = economy.release(state.Pool.get(), at.const.ReleaseFactor, at.const.Tail);
  const pot = economy.pots(released, u, at.spec.rewards.split);
  const scored = works.map((w) => ({
    who: w.who,
    score: scoreOf(state.Reputation.get(w.who), BigInt(at.const.Beta), w.work),
  }));
  const scores = scored.reduce((sum, s) => sum + s.score, 0n);
  let paidCompute = 0n;
  for (const { who, score } of scored)
    paidCompute += fromPool(at, who, economy.share(pot.train, score, scores), 'Compute');
  const { checked, paid: paidCheck } = payChecks(at, era, pot, work);
  const rho = work === 0n ? 0n : mulDivFloor(pot.train, PERBILL, work);
  state.Eras.put(era, {
    release: released,
    utilisation: u,
    ...pot,
    work,
    checked,
    scores,
    paid_compute: paidCompute,
    paid_check: paidCheck,
    rho,
  });
  state.Average.put(economy.averageWork(before, work));
  state.AuthorsPot.put(pot.authors);
  state.BondPrice.put(mulDivFloor(at.spec.rewards.referenceCu, rho, PERBILL));
  for (const [[, who], cu] of state.Minted.entries(era)) {
    state.Reputation.mutate(who, (r) => economy.reputationAfterWork(r, cu, at.spec.rewards.referenceCu));
  }
  if (era >= economy.STREAM_ERAS) {
    state.Minted.clear(era - economy.STREAM_ERAS);
    state.Checked.clear(era - economy.STREAM_ERAS);
  }
  at.emit.EraPaid({ era, work, release: released, paid: paidCompute + paidCheck });
}

function payChecks(at: At, era: number, pot: economy.Split, work: bigint): { checked: bigint; paid: bigint } {
  const checks = [...at.state.Checked.entries(era)];
  const checked = checks.reduce((sum, [, cu]) => sum + cu, 0n);
  const price = economy.checkPrice(pot.verify, checked, pot.train + pot.authors, work);
  let paid = 0n;
  for (const [[, who], cu] of checks) paid += fromPool(at, who, mulDivFloor(cu, price, PERBILL), 'Check');
  return { checked, paid };
}

/** A miner's score in an era; stake counts nothing before there is staking. */
export function scoreOf(reputation: bigint, betaPerbill: bigint, work: bigint): bigint {
  return economy.score({ work, stake: 0n, kappa: 0n, betaPerbill, reputation, tier: NO_TIER });
}

function fromPool(at: At, who: Bytes, wanted: bigint, kind: 'Compute' | 'Check'): bigint {
  const amount = min(wanted, at.state.Pool.get());
  at.state.Pool.mutate((pool) => pool - amount);
  pay(at, who, amount, kind);
  return amount;
}

/** Pays what already left its pot: into the account if that can be open, else it stays pending. */
function pay(at: At, who: Bytes, amount: bigint, kind: 'Compute' | 'Author' | 'Check'): void {
  if (amount === 0n) return;
  const field = kind === 'Compute' ? 'compute' : kind === 'Author' ? 'author' : 'check';
  const earned = at.state.Earned.mutate(who, (before) => ({ ...before, [field]: before[field] + amount }));
  const waiting = at.state.Pending.get(who) ?? 0n;
  const due = waiting + amount;
  if (credit(at, who, due)) {
    if (waiting > 0n) at.state.Pending.delete(who);
    at.state.PendingTotal.mutate((total) => total - waiting);
    const bond = min(earned.compute + earned.author + earned.check, BOND_FRAGMENTS * at.state.BondPrice.get());
    if (bond > 0n) lock(at, BOND_LOCK, who, bond);
  } else {
    at.state.Pending.put(who, due);
    at.state.PendingTotal.mutate((total) => total + amount);
  }
  at.emit.Paid({ account: who, amount, kind: { type: kind, value: at.block.era } });
}
