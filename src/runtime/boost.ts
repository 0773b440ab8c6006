/**
 * # Boost: what stake adds to work, and never more than that.
 *
 * Always true: the boost is between 1 and 1.5 and follows from the shares of stake and of work in the last settled era;
 * splitting an identity, its stake or its work never gains; without work there is nothing to boost. Boosted wins of 24
 * eras are at most the stake's share of all blocks in them. Source: docs/spec/stake-boost.md, COMPUTE-POW.md.
 */
import type { Bytes } from '../base/bytes.ts';
import { max, min } from '../base/fixed.ts';
import type { StateReader } from './access.ts';
import { eraOf } from './context.ts';
import { STREAM_ERAS, streamed } from './economy.ts';
import { settledHeight } from './heights.ts';
import type { RewardsDeclared } from './pallets/rewards/state.ts';
import { settledStakingEra, stakeSnapshot, totalStakeSnapshot } from './pallets/staking/snapshot.ts';
import type { StakingDeclared } from './pallets/staking/state.ts';
import type { RuntimeSpec } from './spec.ts';

/** No boost, in millionths. */
export const NO_BOOST = 1_000_000;
const WHOLE = 1_000_000n;
/** The largest addition, in millionths (COMPUTE-POW.md). */
const MAX_BETA = 500_000n;
const PERBILL_PER_PPM = 1_000n;

export interface Shares {
  /** Units of the account and of all: the last settled era's snapshot. */
  readonly stake: bigint;
  readonly stakes: bigint;
  /** Streamed CU of the account and of all in that era. */
  readonly work: bigint;
  readonly works: bigint;
}

/** The boost in millionths: 10^6 + beta * min(1, share of stake / share of work). */
export function boostOf({ stake, stakes, work, works }: Shares, floorCu: bigint, betaPpm: bigint): number {
  if (stakes === 0n || works === 0n) return NO_BOOST;
  const against = stakes * max(1n, max(work, floorCu));
  const q = min(WHOLE, (WHOLE * stake * works) / against);
  return NO_BOOST + Number((min(betaPpm, MAX_BETA) * q) / WHOLE);
}

/** How many wins of 24 eras count with a boost: the stake's share of their blocks. */
export function boostedWinsAllowed({ stake, stakes }: Shares, eraBlocks: number): bigint {
  return stakes === 0n ? 0n : (BigInt(STREAM_ERAS * eraBlocks) * stake) / stakes;
}

/** Boosted wins of an account in an era. */
export interface EraWins {
  readonly era: number;
  readonly wins: number;
}

/** Boosted wins in the 24 eras up to one. */
export function winsWithin(list: readonly EraWins[], era: number): bigint {
  return list.reduce((sum, one) => (isWithin(one, era) ? sum + BigInt(one.wins) : sum), 0n);
}

function isWithin({ era: one }: EraWins, era: number): boolean {
  return one > era - STREAM_ERAS && one <= era;
}

/** The list with one win more in an era; what is older than 24 eras is forgotten. */
export function withWin(list: readonly EraWins[], era: number): EraWins[] {
  const kept = list.filter((one) => isWithin(one, era) && one.era !== era);
  const now = list.find((one) => one.era === era)?.wins ?? 0;
  return [...kept, { era, wins: now + 1 }];
}

interface Sources {
  readonly staking: Pick<StateReader<(typeof StakingDeclared)['storage']>, 'StakeAt' | 'TotalStakeAt'>;
  readonly rewards: Pick<StateReader<(typeof RewardsDeclared)['storage']>, 'Eras' | 'Ledger' | 'Minted'>;
}

/** The shares that count for block `number`: of the last era whose pay the block calls settled. */
function sharesAt({ staking, rewards }: Sources, spec: RuntimeSpec, account: Bytes, number: number): Shares {
  const era = eraOf(settledHeight(number, spec), spec.eraBlocks) - 1;
  const staked = settledStakingEra(number, spec);
  const stake = staked < 0 ? 0n : stakeSnapshot(staking, staked, account);
  if (era < 0 || stake === 0n) return { stake: 0n, stakes: 0n, work: 0n, works: 0n };
  const entry = rewards.Ledger.get(account);
  const work = entry?.era === era ? entry.work : workIn(rewards, account, era);
  return { stake, stakes: totalStakeSnapshot(staking, staked), work, works: rewards.Eras.get(era)?.work ?? 0n };
}

/** Streamed CU of one miner in a past era: a 24th of what was minted in it and in the 23 before. */
export function workIn({ Minted }: Pick<Sources['rewards'], 'Minted'>, account: Bytes, era: number): bigint {
  let minted = 0n;
  for (let e = Math.max(0, era - STREAM_ERAS + 1); e <= era; e++) minted += Minted.get(e, account);
  return streamed(minted);
}

/** The boost for block `number`, if there may still be one; `wins`: boosted wins as the parent state knows them. */
export function ticketBoost(sources: Sources, spec: RuntimeSpec, account: Bytes, number: number, wins: bigint): number {
  const shares = sharesAt(sources, spec, account, number);
  // The parent's own winner is not written down yet, and this one comes on top.
  if (wins + 2n > boostedWinsAllowed(shares, spec.eraBlocks)) return NO_BOOST;
  return boostOf(shares, spec.staking.boostFloorCu, BigInt(spec.rewards.betaPerbill) / PERBILL_PER_PPM);
}

/** Whether a win of block `number` counts as boosted beside those that were written down before. */
export function countsAsBoosted(
  sources: Sources,
  spec: RuntimeSpec,
  account: Bytes,
  number: number,
  wins: bigint,
): boolean {
  const shares = sharesAt(sources, spec, account, number);
  const boost = boostOf(shares, spec.staking.boostFloorCu, BigInt(spec.rewards.betaPerbill) / PERBILL_PER_PPM);
  return boost > NO_BOOST && wins < boostedWinsAllowed(shares, spec.eraBlocks);
}

/** Eras that lie between the present one and the last settled one at most: what is looked back at is kept longer. */
export function settlingEras({ settleDepth, eraBlocks }: Pick<RuntimeSpec, 'settleDepth' | 'eraBlocks'>): number {
  return Math.ceil(settleDepth / eraBlocks);
}
