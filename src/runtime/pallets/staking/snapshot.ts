/**
 * # Stake snapshot: what an account had at stake when an era ended, in one read.
 *
 * Always true: the answer for an era that is over never changes while it may be asked for; nobody copies all accounts
 * when an era ends: an account writes down its stake when it changes, with the era in which it did.
 */
import type { Bytes } from '../../../base/bytes.ts';
import type { StateReader } from '../../access.ts';
import { settledHeight } from '../../heights.ts';
import type { RuntimeSpec, StakingSpec } from '../../spec.ts';
import { MAX_SNAPSHOTS, type StakingDeclared, type StakingScope } from './state.ts';
import type { StakeSince } from './types.ts';

/** Blocks of an era of staking. */
export function stakingEraBlocks({ sessionBlocks, sessionsPerEra }: StakingSpec): number {
  return sessionBlocks * sessionsPerEra;
}

/** The era of staking that a block is in: blocks 1 .. eraBlocks are era 0. */
export function stakingEra(number: number, spec: StakingSpec): number {
  return Math.floor(Math.max(0, number - 1) / stakingEraBlocks(spec));
}

/** The last era whose end block `number` calls settled; below 0 while there is none. */
export function settledStakingEra(number: number, spec: RuntimeSpec): number {
  return stakingEra(settledHeight(number, spec), spec.staking) - 1;
}

type State = Pick<StateReader<(typeof StakingDeclared)['storage']>, 'StakeAt' | 'TotalStakeAt'>;

/** Units that an account had bonded and not begun to unbond when an era ended. */
export function stakeSnapshot(state: State, era: number, account: Bytes): bigint {
  return asOf(state.StakeAt.get(account), era);
}

/** The same of all accounts together. */
export function totalStakeSnapshot(state: State, era: number): bigint {
  return asOf(state.TotalStakeAt.get(), era);
}

function asOf(entries: readonly StakeSince[], era: number): bigint {
  return entries.findLast(({ since }) => since <= era)?.stake ?? 0n;
}

/** Writes down a stake that changed by `by`. */
export function recordStake(at: StakingScope, account: Bytes, stake: bigint, by: bigint): void {
  if (by === 0n) return;
  const era = stakingEra(at.block.number, at.spec.staking);
  const oldest = settledStakingEra(at.block.number, at.spec) - 1;
  const entries = after(at.state.StakeAt.get(account), { since: era, stake }, oldest);
  if (entries.every((entry) => entry.stake === 0n)) at.state.StakeAt.delete(account);
  else at.state.StakeAt.put(account, entries);
  const total = at.state.TotalBonded.mutate((sum) => sum + by);
  at.state.TotalStakeAt.mutate((list) => after(list, { since: era, stake: total }, oldest));
}

/** The entries with a new one; of those up to `oldest` only the last can still be asked for. */
function after(entries: readonly StakeSince[], entry: StakeSince, oldest: number): StakeSince[] {
  const before = entries.filter(({ since }) => since < entry.since);
  const first = before.findLastIndex(({ since }) => since <= oldest);
  return [...before.slice(Math.max(0, first)), entry].slice(-MAX_SNAPSHOTS);
}
