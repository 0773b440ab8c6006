/**
 * # Pay: what the blocks of an era earn, and how it is divided (FEATURES.md 6.6).
 *
 * Always true: what a block earns leaves the pool and stays with this pallet until somebody takes his part; nobody is
 * paid twice for an era; a part that nobody has a claim to goes back to the pool. Producers get at least as much as
 * any other kind. Everybody takes his own part, so that no block pays all voters.
 */
import { type Bytes, compare, equal } from '../../../base/bytes.ts';
import { min, mulDivFloor, PERBILL } from '../../../base/fixed.ts';
import type { Chain } from '../../chain.ts';
import { MAX_SEATS } from '../../election/ballots.ts';
import type { PagedBallot } from '../../election/pieces.ts';
import { credit } from '../balances.ts';
import { RewardsDeclared } from '../rewards/state.ts';
import { StakingDeclared, type StakingScope } from './state.ts';
import type { VoteSums } from './types.ts';

export interface PaySplit {
  readonly producers: bigint;
  readonly winnersVoters: bigint;
  readonly losers: bigint;
  readonly losersVoters: bigint;
}

// Parts of 10^9: 50, 30, 8 and 12 percent. Producers have what the floors leave.
const WINNERS_VOTERS = 300_000_000n;
const LOSERS = 80_000_000n;
const LOSERS_VOTERS = 120_000_000n;

/** How a pot is divided. The parts sum to it; producers have at least as much as any other. */
export function splitPay(pot: bigint): PaySplit {
  const winnersVoters = mulDivFloor(pot, WINNERS_VOTERS, PERBILL);
  const losers = mulDivFloor(pot, LOSERS, PERBILL);
  const losersVoters = mulDivFloor(pot, LOSERS_VOTERS, PERBILL);
  return { producers: pot - winnersVoters - losers - losersVoters, winnersVoters, losers, losersVoters };
}

/**
 * The validator authored the parent block: it is not silent, and on chains that split pay the block's pay is set aside.
 * For whoever knows authors: an engine calls it once for each block.
 */
export function noteAuthor(chain: Chain, producer: Bytes): void {
  const at = chain.use(StakingDeclared);
  const era = at.state.ActiveEra.get()?.index;
  if (era === undefined) return;
  at.state.ErasRewardPoints.mutate(era, ({ total, individual }) => {
    const key = producer.join();
    const known = individual.some(([who]) => who.join() === key);
    if (!known && individual.length >= MAX_SEATS) return { total, individual };
    const counted = individual.map(([who, n]): [Bytes, number] => [who, who.join() === key ? n + 1 : n]);
    const added: [Bytes, number][] = [...individual, [producer, 1]];
    return { total: total + 1, individual: known ? counted : added.sort(([a], [b]) => compare(a, b)) };
  });
  if (!at.spec.staking.splitsPay) return;
  const rewards = at.use(RewardsDeclared).state;
  const pay = min(rewards.AuthorsPot.get() / BigInt(at.spec.eraBlocks), rewards.Pool.get());
  rewards.Pool.mutate((pool) => pool - pay);
  at.state.PayHeld.mutate((held) => held + pay);
  at.state.ErasPay.mutate(era, (before) => ({ pot: (before?.pot ?? 0n) + pay, left: (before?.left ?? 0n) + pay }));
}

/** Counts a voter of an era for its pay: for a winner, or for losers alone. */
export function noteVote(at: StakingScope, era: number, { who, stake }: PagedBallot, won: boolean): void {
  at.state.ErasVotes.put(era, who, { stake, won });
  at.state.ErasVoteSums.mutate(era, (sums) => ({
    ...sums,
    winners_stake: sums.winners_stake + (won ? stake : 0n),
    losers_stake: sums.losers_stake + (won ? 0n : stake),
  }));
}

/** The parts of an era's pot that somebody has a claim to, and the sums that they are measured by. */
export function claimsOf(pot: bigint, points: number, sums: VoteSums): PaySplit {
  const whole = splitPay(pot);
  return {
    producers: points === 0 ? 0n : whole.producers,
    winnersVoters: sums.winners_stake === 0n ? 0n : whole.winnersVoters,
    losers: sums.losers_votes === 0n ? 0n : whole.losers,
    losersVoters: sums.losers_stake === 0n ? 0n : whole.losersVoters,
  };
}

/** An era ended: what nobody can claim goes back to the pool. */
export function settleEra(at: StakingScope, era: number): void {
  const pay = at.state.ErasPay.get(era);
  if (pay === undefined) return;
  const sums = at.state.ErasVoteSums.get(at.state.ErasSource.get(era) ?? era);
  const parts = claimsOf(pay.pot, at.state.ErasRewardPoints.get(era).total, sums);
  const claimed = parts.producers + parts.winnersVoters + parts.losers + parts.losersVoters;
  toPool(at, pay.pot - claimed);
  at.state.ErasPay.put(era, { pot: pay.pot, left: claimed });
  at.emit.EraPaid({ era_index: era, validator_payout: claimed, remainder: pay.pot - claimed });
}

/** An era is forgotten: what nobody took goes back to the pool. */
export function returnPay(at: StakingScope, era: number): void {
  toPool(at, at.state.ErasPay.take(era)?.left ?? 0n);
}

function toPool(at: StakingScope, amount: bigint): void {
  if (amount === 0n) return;
  at.state.PayHeld.mutate((held) => held - amount);
  at.use(RewardsDeclared).state.Pool.mutate((pool) => pool + amount);
}

/** The oldest era that pays: all that those before it left may be forgotten. */
export function oldestPaid(at: StakingScope): number {
  return (at.state.ActiveEra.get()?.index ?? 0) - at.spec.staking.bondingEras;
}

/** What each account was owed when an era ended, whether it took it or not. */
function duesOf(at: StakingScope, era: number, pot: bigint): (who: Bytes) => bigint {
  const source = at.state.ErasSource.get(era) ?? era;
  const sums = at.state.ErasVoteSums.get(source);
  const points = at.state.ErasRewardPoints.get(era);
  const parts = claimsOf(pot, points.total, sums);
  const part = (of: bigint, mine: bigint, all: bigint) => (all === 0n ? 0n : mulDivFloor(of, mine, all));
  return (who) => {
    const own = points.individual.find(([one]) => equal(one, who))?.[1] ?? 0;
    const vote = at.state.ErasVotes.get(source, who);
    return (
      part(parts.producers, BigInt(own), BigInt(points.total)) +
      part(parts.winnersVoters, vote?.won === true ? vote.stake : 0n, sums.winners_stake) +
      part(parts.losersVoters, vote?.won === false ? vote.stake : 0n, sums.losers_stake) +
      part(parts.losers, at.state.ErasLosers.get(source, who) ?? 0n, sums.losers_votes)
    );
  };
}

/** Pays an account all that it is owed for an era that is over and not too old. */
export function claimPay(at: StakingScope, who: Bytes, era: number): void {
  const now = at.state.ActiveEra.get()?.index ?? 0;
  const pay = era < now && era >= oldestPaid(at) ? at.state.ErasPay.get(era) : undefined;
  const { left, pot } = at.some(pay, 'InvalidEraToReward');
  at.ensure(!at.state.ErasClaimed.has(era, who), 'AlreadyClaimed');
  const amount = duesOf(at, era, pot)(who);
  at.ensure(amount > 0n && amount <= left, 'NothingDue');
  const dest = at.state.Payee.get(who) ?? { type: 'Stash', value: undefined };
  at.ensure(dest.type !== 'None', 'NothingDue');
  const to = dest.type === 'Account' ? dest.value[0] : who;
  at.ensure(credit(at, to, amount), 'NothingDue');
  at.state.PayHeld.mutate((held) => held - amount);
  at.state.ErasPay.put(era, { pot, left: left - amount });
  at.state.ErasClaimed.put(era, who, undefined);
  at.emit.Rewarded({ stash: who, dest, amount });
}

/** True, or what is broken: what is held against what eras have left, and that against what is owed still. */
export function brokenPay(at: StakingScope): string | true {
  const now = at.state.ActiveEra.get()?.index ?? 0;
  let held = 0n;
  for (const [era, { pot, left }] of at.state.ErasPay.entries()) {
    held += left;
    if (left > pot) return 'an era has more left than it earned';
    if (era < now && owedStill(at, era, pot) > left) return 'more of an era is owed than it has left';
  }
  return held === at.state.PayHeld.get() || 'PayHeld is not what eras have left';
}

function owedStill(at: StakingScope, era: number, pot: bigint): bigint {
  const source = at.state.ErasSource.get(era) ?? era;
  const known = new Map(at.state.ErasRewardPoints.get(era).individual.map(([who]) => [who.join(), who]));
  for (const [, who] of at.state.ErasVotes.keys(source)) known.set(who.join(), who);
  for (const [, who] of at.state.ErasLosers.keys(source)) known.set(who.join(), who);
  const due = duesOf(at, era, pot);
  return [...known.values()].reduce((sum, who) => sum + (at.state.ErasClaimed.has(era, who) ? 0n : due(who)), 0n);
}
