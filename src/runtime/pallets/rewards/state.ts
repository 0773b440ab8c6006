/**
 * # Rewards, declared: the pool, what waits to be paid, and what each era was made of.
 *
 * Always true: whatever is held stands in exactly one of Pool, Held, Due, Pending and Treasury; the totals beside Due
 * and Pending are their sums.
 */
import { type Of, str, struct, u32, u64, u128, variant } from '../../../codec/index.ts';
import { REPUTATION_START } from '../../economy.ts';
import { constant, event, pallet, type Scope } from '../../pallet.ts';
import { map, twox64Concat, value } from '../../storage.ts';
import { AccountId, Balance } from '../../types.ts';

const PATH = 'pallet_rewards';

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
    /** Units of stake per CU with which work counts most. */
    kappa: u128,
  },
  { path: `${PATH}::EraRecord` },
);
export type EraRecord = Of<typeof EraRecord>;

export const Standing = struct({ perbill: u64, era: u32 }, { path: `${PATH}::Standing` });
export type Standing = Of<typeof Standing>;

export const Payout = struct({ compute: u128, check: u128 }, { path: `${PATH}::Payout` });
export type Payout = Of<typeof Payout>;

export const LedgerEntry = struct(
  {
    /** CU of certificates of the 24 eras up to this one. */
    minted: u64,
    era: u32,
    /** Streamed CU, the stake and the reputation that counted, and the score that they made. */
    work: u64,
    stake: u128,
    reputation: u64,
    score: u128,
    /** CU executed again. */
    checked: u64,
    /** What the era earned. */
    compute: u128,
    check: u128,
  },
  { path: `${PATH}::LedgerEntry` },
);
export type LedgerEntry = Of<typeof LedgerEntry>;

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
      perbill: REPUTATION_START,
      era: 0,
    }),
    Ledger: map(
      'What the last era was made of for everyone who mined in 24 eras or checked in that one.',
      AccountId,
      LedgerEntry,
    ),
    Minted: map('CU of certificates by era and miner.', [ERA, AccountId], u64, 0n),
    Checked: map('CU re-executed by era and checker.', [ERA, AccountId], u64, 0n),
    Earned: map('All that an account was ever paid.', AccountId, Earned, { compute: 0n, author: 0n, check: 0n }),
    Eras: map('How each era was paid.', ERA, EraRecord),
    Average: value('Moving average of streamed CU.', u128, 0n),
    Kappa: value('Units of stake per CU with which the running era’s work counts most.', u128, 0n),
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
export type RewardsScope = Scope<typeof RewardsDeclared>;
