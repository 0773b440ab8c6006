/**
 * # Exposures: who is behind a seat, with how much: what is slashed when its holder offends.
 *
 * Always true: an overview's total is its own part and the totals of its pages; a nominator stands behind a seat once.
 * Era and validator name an exposure; pages hold 256 nominators each. What was elected for an era is also there for
 * candidates that got no seat in the end: it is forgotten with the era.
 */
import { type Bytes, equal } from '../../../base/bytes.ts';
import { oldestPaid, returnPay } from './pay.ts';
import type { StakingScope } from './state.ts';
import { EXPOSURE_PAGE, type IndividualExposure } from './types.ts';

/** Entries of past eras that are forgotten in a block. */
const FORGOTTEN_PER_BLOCK = 64;
const NOTHING = { total: 0n, own: 0n, nominator_count: 0, page_count: 0 };

/** Puts more stake behind a candidate. A candidate's own vote is its own part. */
export function appendExposures(at: StakingScope, era: number, validator: Bytes, list: readonly IndividualExposure[]) {
  const before = at.state.ErasStakersOverview.get(era, validator) ?? NOTHING;
  const own = list.find(({ who }) => equal(who, validator))?.value ?? 0n;
  const others = list.filter(({ who }) => !equal(who, validator));
  let { page_count } = before;
  let left = others;
  while (left.length > 0) {
    const last = page_count === 0 ? undefined : at.state.ErasStakersPaged.get(era, validator, page_count - 1);
    const room = last === undefined ? 0 : EXPOSURE_PAGE - last.others.length;
    const [place, kept] = room > 0 && last !== undefined ? [page_count - 1, last.others] : [page_count, []];
    const next = [...kept, ...left.slice(0, EXPOSURE_PAGE - kept.length)];
    left = left.slice(EXPOSURE_PAGE - kept.length);
    page_count = place + 1;
    at.state.ErasStakersPaged.put(era, validator, place, { page_total: sumOf(next), others: next });
  }
  at.state.ErasStakersOverview.put(era, validator, {
    total: before.total + own + sumOf(others),
    own: before.own + own,
    nominator_count: before.nominator_count + others.length,
    page_count,
  });
}

function sumOf(list: readonly IndividualExposure[]): bigint {
  return list.reduce((sum, { value }) => sum + value, 0n);
}

/** An era of which everything may go: it is older than the bonding duration, and no later era has its seats. */
function outdated(at: StakingScope): number | undefined {
  const oldest = oldestPaid(at);
  const next = at.state.Forgotten.get();
  if (oldest <= next) return undefined;
  return next < Math.min(oldest, at.state.ErasSource.get(oldest) ?? oldest) ? next : undefined;
}

/** Forgets a part of an era that is too old: at most FORGOTTEN_PER_BLOCK entries. Returns how many. */
export function forgetOld(at: StakingScope): number {
  const era = outdated(at);
  if (era === undefined) return 0;
  const { state } = at;
  // Before all else: who was paid is forgotten while others of the era still stand.
  returnPay(at, era);
  let left = FORGOTTEN_PER_BLOCK;
  const drop = <K>(keys: Iterable<K>, forget: (key: K) => void): void => {
    for (const key of keys) {
      if (left === 0) return;
      forget(key);
      left--;
    }
  };
  drop(state.ErasStakersPaged.keys(era), ([, who, page]) => state.ErasStakersPaged.delete(era, who, page));
  drop(state.ErasStakersOverview.keys(era), ([, who]) => state.ErasStakersOverview.delete(era, who));
  drop(state.ErasVotes.keys(era), ([, who]) => state.ErasVotes.delete(era, who));
  drop(state.ErasLosers.keys(era), ([, who]) => state.ErasLosers.delete(era, who));
  drop(state.ErasClaimed.keys(era), ([, who]) => state.ErasClaimed.delete(era, who));
  drop(state.ErasActive.keys(era), ([, who]) => state.ErasActive.delete(era, who));
  drop(state.SlashedIn.keys(era), ([, who]) => state.SlashedIn.delete(era, who));
  if (left > 0) forgetRest(at, era);
  return FORGOTTEN_PER_BLOCK - left;
}

function forgetRest(at: StakingScope, era: number): void {
  const { state } = at;
  state.ErasStartSessionIndex.delete(era);
  state.ErasSource.delete(era);
  state.ErasTotalStake.delete(era);
  state.ErasSeats.delete(era);
  state.ErasRounds.delete(era);
  state.ErasRewardPoints.delete(era);
  state.ErasVoteSums.delete(era);
  state.Forgotten.put(era + 1);
}

/** True, or what is broken: overviews against pages. */
export function brokenExposures(at: StakingScope): string | true {
  for (const [[era, who], overview] of at.state.ErasStakersOverview.entries()) {
    // An era that is being forgotten has lost some of its pages already.
    if (era === outdated(at)) continue;
    const pages = [...at.state.ErasStakersPaged.entries(era, who)].map(([, page]) => page);
    const sums = pages.every((page) => page.page_total === sumOf(page.others));
    const total = pages.reduce((sum, { page_total }) => sum + page_total, overview.own);
    const count = pages.reduce((sum, { others }) => sum + others.length, 0);
    if (!sums || total !== overview.total || count !== overview.nominator_count || pages.length !== overview.page_count)
      return 'an exposure is not what its pages sum to';
  }
  return true;
}
