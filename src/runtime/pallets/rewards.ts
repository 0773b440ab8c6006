/**
 * # Rewards: one pool, paid out for accepted work and for nothing else.
 *
 * Always true: pool + sum(free + reserved) + pending + held + treasury + burned = genesis; no code path mints. An
 * account without accepted work earns nothing, whatever it holds. All divisions floor; what they leave stays in the
 * pool.
 */
import type { Bytes } from '../../base/bytes.ts';
import { max, min, mulDivFloor, PERBILL } from '../../base/fixed.ts';
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
/** Accounts that are paid in a block; what an era earned them waits in a queue. 64 cost about 6 ms. */
const PAID_PER_BLOCK = 64;

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

export const Standing = struct({ perbill: u64, era: u32 }, { path: `${PATH}::Standing` });
export type Standing = Of<typeof Standing>;

const Payout = struct({ compute: u128, check: u128 }, { path: `${PATH}::Payout` });
const NO_PAYOUT = { compute: 0n, check: 0n };

export const Statement = struct(
  {
    era: u32,
    /** Streamed CU, the reputation that counted, and the score that they made. */
    work: u64,
    reputation: u64,
    score: u128,
    /** CU executed again. */
    checked: u64,
    /** What the era earned. */
    compute: u128,
    check: u128,
  },
  { path: `${PATH}::Statement` },
);
export type Statement = Of<typeof Statement>;

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
    Pending: map('Earned, but too little to open an account.', AccountId, Balance),
    PendingTotal: value('Sum of Pending.', Balance, 0n),
    Due: map('Earned in past eras, to be paid in the next blocks.', AccountId, Payout),
    DueTotal: value('Sum of Due.', Balance, 0n),
    Held: value('Author pay whose win is not yet proven.', Balance, 0n),
    Treasury: value('What governance may spend.', Balance, 0n),
    Reputation: map('Reputation in parts of 10^9 as of an era; idle eras lower it.', AccountId, Standing, {
      perbill: economy.REPUTATION_START,
      era: 0,
    }),
    Streaming: map('CU of certificates of the last 24 eras, by miner.', AccountId, u64, 0n),
    Minted: map('CU of certificates by era and miner.', [ERA, AccountId], u64, 0n),
    Checked: map('CU re-executed by era and checker.', [ERA, AccountId], u64, 0n),
    Earned: map('All that an account was ever paid.', AccountId, Earned, { compute: 0n, author: 0n, check: 0n }),
    Eras: map('How each era was paid.', ERA, EraRecord),
    Statements: map('The last era that earned an account something, in figures.', AccountId, Statement),
    Average: value('Moving average of streamed CU.', u128, 0n),
    AuthorsPot: value('The last era’s pot for block authors.', Balance, 0n),
    BondPrice: value('R: the certificate pay of a reference fragment, the highest of 24 eras.', Balance, 0n),
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
  invariant({ state, block }) {
    let pending = 0n;
    for (const [, amount] of state.Pending.entries()) pending += amount;
    if (pending !== state.PendingTotal.get()) return 'Pending does not sum to PendingTotal';
    let due = 0n;
    for (const [, { compute, check }] of state.Due.entries()) due += compute + check;
    if (due !== state.DueTotal.get()) return 'Due does not sum to DueTotal';
    const minted = mintedBy(state, block.era - 1);
    for (const [who, cu] of state.Streaming.entries()) {
      if (cu !== minted.get(who.join())) return 'Streaming is not what was minted in 24 eras';
      minted.delete(who.join());
    }
    return minted.size === 0 || 'a miner’s work does not stream';
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

/** What a reputation is worth in a later era: whole eras without work between lower it. */
export function standingIn({ perbill, era: since }: Standing, era: number): bigint {
  return economy.reputationAfterIdle(perbill, Math.max(0, era - since - 1));
}

/** A rejected fragment halves reputation; a missed deadline or duty takes a sixty-fourth. */
export function damage(chain: Chain, account: Bytes, what: 'fraud' | 'timeout'): void {
  const at = chain.use(RewardsDeclared);
  const lower = what === 'fraud' ? economy.reputationAfterFraud : economy.reputationAfterTimeout;
  const era = Math.max(0, at.block.era - 1);
  at.state.Reputation.put(account, { perbill: lower(reputationOf(chain, account)), era });
}

type Reader = StateReader<(typeof RewardsDeclared)['storage']>;

/** CU of certificates in the 24 eras up to this one, by account: what Streaming sums up. For checks only. */
function mintedBy(state: Pick<Reader, 'Minted'>, last: number): Map<string, bigint> {
  const minted = new Map<string, bigint>();
  for (let era = Math.max(0, last - economy.STREAM_ERAS + 1); era <= last; era++) {
    for (const [[, who], cu] of state.Minted.entries(era)) {
      minted.set(who.join(), (minted.get(who.join()) ?? 0n) + cu);
    }
  }
  return minted;
}

/** Streamed CU of one miner in an era of the last 24: a 24th of what was minted in it and in the 23 before. */
export function streamedWork(state: Pick<Reader, 'Minted'>, account: Bytes, era: number): bigint {
  let minted = 0n;
  for (let e = Math.max(0, era - economy.STREAM_ERAS + 1); e <= era; e++) minted += state.Minted.get(e, account);
  return economy.streamed(minted);
}

/** Streaming after an era: its certificates come in, those of the era before the last 24 go out. */
function stream({ state }: At, era: number): void {
  const gone = era - economy.STREAM_ERAS;
  if (gone >= 0) {
    for (const [[, who], cu] of [...state.Minted.entries(gone)]) {
      const left = state.Streaming.get(who) - cu;
      if (left > 0n) state.Streaming.put(who, left);
      else state.Streaming.delete(who);
    }
    state.Minted.clear(gone);
    state.Checked.clear(gone);
  }
  for (const [[, who], cu] of state.Minted.entries(era)) state.Streaming.mutate(who, (before) => before + cu);
}

// One block's work for all that earn: with 1,000 miners 25 ms (docs/spec/rewards.md); accounts are paid from the queue.
function payEra(at: At, era: number): void {
  const { state } = at;
  stream(at, era);
  const scored = [...state.Streaming.entries()].map(([who, minted]) => {
    const work = economy.streamed(minted);
    const reputation = standingIn(state.Reputation.get(who), era);
    return { who, work, reputation, score: scoreOf(reputation, BigInt(at.const.Beta), work) };
  });
  const work = scored.reduce((sum, s) => sum + s.work, 0n);
  const scores = scored.reduce((sum, s) => sum + s.score, 0n);
  const before = state.Average.get();
  const u = economy.utilisation(work, at.const.MinWork, before);
  const released = economy.release(state.Pool.get(), at.const.ReleaseFactor, at.const.Tail);
  const pot = economy.pots(released, u, at.spec.rewards.split);
  let paid = 0n;
  for (const { who, ...figures } of scored) {
    const compute = enqueue(at, who, economy.share(pot.train, figures.score, scores), 'compute');
    state.Statements.put(who, { era, ...figures, checked: 0n, compute, check: 0n });
    paid += compute;
  }
  const { checked, paid: paidCheck } = payChecks(at, era, pot, work);
  const rho = work === 0n ? 0n : mulDivFloor(pot.train, PERBILL, work);
  const record = { work, checked, scores, paid_compute: paid, paid_check: paidCheck, rho };
  state.Eras.put(era, { release: released, utilisation: u, ...pot, ...record });
  state.Average.put(economy.averageWork(before, work));
  state.AuthorsPot.put(pot.authors);
  state.BondPrice.put(mulDivFloor(at.spec.rewards.referenceCu, highestRho(at, era), PERBILL));
  raiseReputations(at, era);
  at.emit.EraPaid({ era, work, release: released, paid: paid + paidCheck });
}

/** Once an era, with all that was accepted in it: per certificate the cap could be passed (rule S). */
function raiseReputations({ state, spec }: At, era: number): void {
  for (const [[, who], cu] of state.Minted.entries(era)) {
    const standing = standingIn(state.Reputation.get(who), era);
    state.Reputation.put(who, { perbill: economy.reputationAfterWork(standing, cu, spec.rewards.referenceCu), era });
  }
}

/** R of the last 24 eras: the dearest certificate price decides how much an author's bond must be worth (rule D). */
function highestRho({ state }: At, last: number): bigint {
  let highest = 0n;
  for (let era = Math.max(0, last - economy.STREAM_ERAS + 1); era <= last; era++) {
    highest = max(highest, state.Eras.get(era)?.rho ?? 0n);
  }
  return highest;
}

function payChecks(at: At, era: number, pot: economy.Split, work: bigint): { checked: bigint; paid: bigint } {
  const checks = [...at.state.Checked.entries(era)];
  const checked = checks.reduce((sum, [, cu]) => sum + cu, 0n);
  const price = economy.checkPrice(pot.verify, checked, pot.train + pot.authors, work);
  let paid = 0n;
  for (const [[, who], cu] of checks) {
    const check = enqueue(at, who, mulDivFloor(cu, price, PERBILL), 'check');
    const before = at.state.Statements.get(who);
    const said = before?.era === era ? before : nothing(era, standingIn(at.state.Reputation.get(who), era));
    at.state.Statements.put(who, { ...said, checked: cu, check });
    paid += check;
  }
  return { checked, paid };
}

function nothing(era: number, reputation: bigint): Statement {
  return { era, work: 0n, reputation, score: 0n, checked: 0n, compute: 0n, check: 0n };
}

/** A miner's score in an era; stake counts nothing before there is staking. */
export function scoreOf(reputation: bigint, betaPerbill: bigint, work: bigint): bigint {
  return economy.score({ work, stake: 0n, kappa: 0n, betaPerbill, reputation, tier: NO_TIER });
}

/** Sets aside what an account earned in an era; returns the amount, which is never more than the pool holds. */
function enqueue({ state }: At, who: Bytes, wanted: bigint, kind: 'compute' | 'check'): bigint {
  const amount = min(wanted, state.Pool.get());
  if (amount === 0n) return 0n;
  state.Pool.mutate((pool) => pool - amount);
  state.DueTotal.mutate((total) => total + amount);
  const due = state.Due.get(who) ?? NO_PAYOUT;
  state.Due.put(who, { ...due, [kind]: due[kind] + amount });
  return amount;
}

/** Pays the next accounts of the queue, in the order of the state. */
function payDue(at: At): void {
  if (at.state.DueTotal.get() === 0n) return;
  const next: [Bytes, Of<typeof Payout>][] = [];
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
function pay(at: At, who: Bytes, amount: bigint, kind: 'Compute' | 'Author' | 'Check'): void {
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
