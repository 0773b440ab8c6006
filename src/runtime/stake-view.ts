/**
 * # Stake view: what RPC reads of elections and their pay, through any view of a state.
 *
 * Always true: reading changes nothing. The trace of an era's election is what the state kept when the seats were
 * given: its voters are forgotten then, so nobody could count it again.
 */
import type { Bytes } from '../base/bytes.ts';
import { reader } from './access.ts';
import type { Round } from './election/phragmen.ts';
import { claimsOf, type PaySplit, splitPay } from './pallets/staking/pay.ts';
import { StakingDeclared } from './pallets/staking/state.ts';
import type { EraPay, EraSeat, VoteSums } from './pallets/staking/types.ts';
import type { Readable } from './storage.ts';

export interface ElectionTrace {
  readonly era: number;
  /** The era by whose election the seats were given: an earlier one where this had no result. */
  readonly source: number;
  /** Why each seat by vote was given, in order: at most one for each seat. */
  readonly rounds: readonly Round[];
  readonly seats: readonly EraSeat[];
}

/** The present era; undefined on chains without validators. */
export function presentEra(view: Readable): number | undefined {
  return reader(StakingDeclared, view).ActiveEra.get()?.index;
}

/** How the seats of an era were given; undefined where the era is not yet, or forgotten. */
export function electionTrace(view: Readable, era: number): ElectionTrace | undefined {
  const state = reader(StakingDeclared, view);
  const source = state.ErasSource.get(era);
  if (source === undefined) return undefined;
  return { era, source, rounds: state.ErasRounds.get(source), seats: state.ErasSeats.get(era) };
}

export interface RewardSplit extends EraPay {
  readonly era: number;
  /** Whether the era is over: until then its pot grows, and nobody takes his part. */
  readonly over: boolean;
  /** The pot by kind, and of that what somebody has a claim to: the rest goes back to the pool. */
  readonly split: PaySplit;
  readonly claims: PaySplit;
  /** What a part is measured by. */
  readonly sums: VoteSums;
  readonly points: readonly (readonly [Bytes, number])[];
}

/** How the pay of an era is divided; undefined where its blocks earned nothing, or it is forgotten. */
export function rewardSplit(view: Readable, era: number): RewardSplit | undefined {
  const state = reader(StakingDeclared, view);
  const pay = state.ErasPay.get(era);
  if (pay === undefined) return undefined;
  const sums = state.ErasVoteSums.get(state.ErasSource.get(era) ?? era);
  const { total, individual } = state.ErasRewardPoints.get(era);
  const over = era < (presentEra(view) ?? 0);
  const claims = claimsOf(pay.pot, total, sums);
  return { era, over, ...pay, split: splitPay(pay.pot), claims, sums, points: individual };
}
