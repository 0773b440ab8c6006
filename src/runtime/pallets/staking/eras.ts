/**
 * # Eras: how one hands over to the next.
 *
 * Always true: seats change where an era begins and nowhere else; seats by lot are drawn there, from a beacon that was
 * not known when anybody could still stand; an era without a result of its own has the seats of the one before.
 */
import { type Bytes, compare, equal } from '../../../base/bytes.ts';
import type { Chain } from '../../chain.ts';
import { drawLots, lotSeed, mostLots } from '../../election/lots.ts';
import type { Standing } from '../../election/pieces.ts';
import { type Weighed, weighSeats } from '../../election/weights.ts';
import { settledHeight } from '../../heights.ts';
import { ComputePowDeclared } from '../compute-pow.ts';
import { type PlannedSeat, SessionDeclared, sessionAuthorities, sessionOf } from '../session.ts';
import { Timestamp } from '../timestamp.ts';
import { bootstrapSeats, drop, holdAtGenesis, resultOf } from './election.ts';
import { settleEra } from './pay.ts';
import { countHeard, tolerated } from './standstill.ts';
import { StakingDeclared, type StakingScope } from './state.ts';
import type { EraSeat } from './types.ts';
import { retire } from './voters.ts';

/** Who holds a session: Session asks as each begins. */
export function planSession(chain: Chain, session: number): readonly PlannedSeat[] | undefined {
  const at = chain.use(StakingDeclared);
  const { sessionsPerEra } = at.spec.staking;
  if (session % sessionsPerEra !== 0) return undefined;
  const era = session / sessionsPerEra;
  if (era === 0) holdAtGenesis(at);
  else endEra(at, era - 1);
  const seats = seatsOf(at, era);
  drop(at);
  beginEra(at, era, session, seats);
  return seats;
}

/** The seats of an era by its election; undefined where there is none. */
function seatsOf(at: StakingScope, era: number): Weighed[] | undefined {
  const result = resultOf(at, era);
  // What was begun and did not end gives nobody a seat, not even those of the bootstrap.
  if (result === undefined && at.state.Election.has()) return undefined;
  const stands = ({ who }: Standing) => at.state.Validators.has(who);
  const hasKeys = ({ who }: { who: Bytes }) => at.use(SessionDeclared).state.NextKeys.has(who);
  const { seats } = at.spec.staking;
  const silent = new Map(era === 0 ? [] : silentIn(at, era - 1).map((who) => [who.join(), who]));
  // Whoever retired, offended or lost its keys since it stood has no seat.
  const standing = (result?.standing ?? []).filter((one) => stands(one) && hasKeys(one));
  const voted = (result?.voted ?? []).filter((one) => stands(one) && hasKeys(one));
  const bootstrap = at.state.Bootstrap.get()
    .filter((who) => hasKeys({ who }) && !silent.has(who.join()) && !voted.some((one) => equal(one.who, who)))
    .slice(0, Math.max(0, Math.min(bootstrapSeats(at, era), seats - at.spec.staking.lots - voted.length)))
    .map((who) => ({ who, stake: 0n }));
  if (voted.length + bootstrap.length === 0) return undefined;
  const firm = [...voted, ...bootstrap].map(({ who }) => who);
  const urn = standing.filter(
    ({ who, bond }) => bond >= at.spec.staking.minBond && !firm.some((one) => equal(one, who)),
  );
  const drawn = lots(at, era, urn, firm.length);
  const weighed = weighSeats({
    voted: voted.map(({ who, backing }) => ({ who, stake: backing })),
    bootstrap,
    drawn: drawn.map(({ who, bond }) => ({ who, stake: bond })),
  });
  const kindOf = (i: number) => (i < voted.length ? 'Voted' : i < firm.length ? 'Bootstrap' : 'Drawn');
  const list = weighed.map(({ validator, weight, stake }, i): EraSeat => {
    return { who: validator, kind: { type: kindOf(i), value: undefined }, stake, weight };
  });
  at.state.ErasSeats.put(era, list);
  for (const { who, bond } of drawn) exposeOwn(at, era, who, bond);
  at.state.ErasTotalStake.put(
    era,
    weighed.reduce((sum, { stake }) => sum + stake, 0n),
  );
  noteLosers(at, era, result?.standing ?? [], weighed);
  return weighed;
}

/** A seat by lot has its own bond at stake, and nothing else. */
function exposeOwn(at: StakingScope, era: number, who: Bytes, bond: bigint): void {
  at.state.ErasStakersOverview.put(era, who, { total: bond, own: bond, nominator_count: 0, page_count: 0 });
}

/** Seats by lot. A chain without a beacon of the settled height draws nobody. */
function lots(at: StakingScope, era: number, urn: readonly Standing[], firm: number): Standing[] {
  const beacon = at.use(ComputePowDeclared).state.Beacon.get(settledHeight(at.block.number, at.spec));
  const count = Math.min(at.spec.staking.lots, mostLots(firm));
  if (era === 0 || beacon === undefined || count === 0) return [];
  const accounts = urn.map(({ who }) => who).sort(compare);
  const drawn = drawLots(accounts, count, lotSeed(beacon, era));
  return drawn.flatMap((who) => urn.filter((one) => equal(one.who, who)));
}

/** Candidates without a seat share in the pay of the era's blocks, by votes (FEATURES.md 6.6). */
function noteLosers(at: StakingScope, era: number, standing: readonly Standing[], seated: readonly Weighed[]): void {
  if (!at.spec.staking.splitsPay) return;
  let votes = 0n;
  for (const { who, approval } of standing) {
    if (approval === 0n || seated.some(({ validator }) => equal(validator, who))) continue;
    at.state.ErasLosers.put(era, who, approval);
    votes += approval;
  }
  at.state.ErasVoteSums.mutate(era, (sums) => ({ ...sums, losers_votes: votes }));
}

function beginEra(at: StakingScope, era: number, session: number, seats: readonly Weighed[] | undefined): void {
  const source = seats === undefined && era > 0 ? (at.state.ErasSource.get(era - 1) ?? 0) : era;
  at.state.ErasSource.put(era, source);
  at.state.ErasStartSessionIndex.put(era, session);
  at.state.CurrentEra.put(era);
  at.state.HeardWeight.delete();
  const start = at.use(Timestamp).state.Now.get();
  at.state.ActiveEra.put({ index: era, start: start === 0n ? undefined : start });
  if (seats !== undefined) {
    at.emit.StakersElected();
    return;
  }
  at.state.ErasSeats.put(era, at.state.ErasSeats.get(source));
  at.state.ErasTotalStake.put(era, at.state.ErasTotalStake.get(source));
  at.state.ErasRounds.delete(era);
  if (at.state.CounterForValidators.get() > 0) at.emit.StakingElectionFailed();
}

/** What an era that ended leaves: its pay, and validators that nobody heard of (rule F). */
function endEra(at: StakingScope, era: number): void {
  settleEra(at, era);
  for (const who of silentIn(at, era)) if (retire(at, who)) at.emit.SilentLeft({ stash: who });
}

/**
 * Validators of an era that neither authored nor voted in it. Where no block says which of them authored, votes alone
 * tell, and an era in which fewer than finality takes were heard shows only that finality stood still: nobody can
 * precommit then, and whoever says that he did must not unseat the others.
 */
function silentIn(at: StakingScope, era: number): Bytes[] {
  const seats = at.state.ErasSeats.get(era);
  const heard = hearing(at, era);
  const silent = seats.filter(({ who }) => !heard(who));
  const sum = (of: readonly EraSeat[]) => of.reduce((total, { weight }) => total + weight, 0n);
  const isTold = at.state.ErasRewardPoints.get(era).total > 0;
  if (!isTold && sum(silent) > tolerated(sum(seats))) return [];
  return silent.map(({ who }) => who);
}

/** Whether a validator was heard in an era: it authored, or was noted. */
function hearing(at: StakingScope, era: number): (who: Bytes) => boolean {
  const { individual } = at.state.ErasRewardPoints.get(era);
  return (who) => at.state.ErasActive.has(era, who) || individual.some(([one]) => equal(one, who));
}

/** A validator voted on finality or was heard otherwise in the present era: it is not silent (rule F). */
export function noteActive(chain: Chain, validator: Bytes): void {
  const at = chain.use(StakingDeclared);
  const era = at.state.ActiveEra.get()?.index;
  if (era === undefined || at.state.ErasActive.has(era, validator)) return;
  at.state.ErasActive.put(era, validator, undefined);
  countHeard(at, era, validator);
}

/** The blocks of the era that the block being made is in, the first and the last, and whether it heard a validator. */
export function presenceOf(
  chain: Chain,
  validator: Bytes,
): { readonly first: number; readonly last: number; readonly heard: boolean } {
  const at = chain.use(StakingDeclared);
  const { sessionBlocks, sessionsPerEra } = at.spec.staking;
  // By its height: the pool asks in a block whose era may not have begun in the state.
  const era = eraOfSession(at, sessionOf(at.block.number, at.spec.staking));
  const length = sessionBlocks * sessionsPerEra;
  return { first: era * length + 1, last: (era + 1) * length, heard: hearing(at, era)(validator) };
}

/** The era that a session belongs to, while it is kept. */
export function eraOfSession(at: StakingScope, session: number): number {
  return Math.floor(session / at.spec.staking.sessionsPerEra);
}

/** True, or what is broken: seats by lot weigh less than a third, and seats are those of the session. */
export function brokenSeats(at: StakingScope): string | true {
  const era = at.state.ActiveEra.get()?.index;
  if (era === undefined) return true;
  const seats = at.state.ErasSeats.get(era);
  const weight = (kind: string) =>
    seats.filter((seat) => kind === '' || seat.kind.type === kind).reduce((sum, seat) => sum + seat.weight, 0n);
  if (seats.length > 0 && 3n * weight('Drawn') >= weight('')) return 'seats by lot weigh a third';
  const seated = sessionAuthorities(at).filter(({ stake }) => stake > 0n);
  const known = seated.every(({ validator }) => seats.some(({ who }) => equal(who, validator)));
  return known || 'a validator with stake has no seat in the era';
}
