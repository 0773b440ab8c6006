/**
 * # Election: seats given in the last session of an era, a few pages of voters in each block.
 *
 * Always true: no block does more than `pagesPerBlock` pages of 256 voters are worth, and at most three more, since a
 * step is never cut; the result follows from who stood and who voted when each was taken, and is that of `seqPhragmen`
 * on them. What is too large to be counted in time takes the richest voters that fit; an election that did not end is
 * abandoned, and seats stay as they were.
 */
import { must } from '../../../base/assert.ts';
import { type Bytes, compare } from '../../../base/bytes.ts';
import { MAX_STAKE, type Voter } from '../../election/ballots.ts';
import {
  enter,
  newStanding,
  nextRound,
  type PagedBallot,
  type Standing,
  seatOn,
  sharesOf,
} from '../../election/pieces.ts';
import { rw, type Weight } from '../../weights.ts';
import { SessionDeclared } from '../session/state.ts';
import { appendExposures } from './exposures.ts';
import { noteVote } from './pay.ts';
import { stakingEra, stakingEraBlocks } from './snapshot.ts';
import type { StakingScope } from './state.ts';
import { type Ongoing, VOTER_PAGE } from './types.ts';

/** Measured: 256 voters with 16 approvals take 2 to 4 ms to count; their page has at most 90 kB. */
const PAGE_PS = 5_000_000_000n;
/** What taking a page of voters costs, in pages that are only counted: 512 reads, 20 to 28 ms. */
const TAKING = 2;
/** What sharing a page out costs: a dozen exposures of up to 10 kB; where pay is split, 256 votes are written too. */
const SHARING = 2;
const SHARING_WITH_PAY = 4;
/** The list of candidates is read and written once in a block: 100 bytes each. */
const CANDIDATE_PS = 1_000_000n;
const EMPTY = new Uint8Array(0);

/** Whether block `number` is the first one of the last session of an era. */
function beginsElection(at: StakingScope): boolean {
  const { staking } = at.spec;
  const within = (at.block.number - 1) % stakingEraBlocks(staking);
  return within === stakingEraBlocks(staking) - staking.sessionBlocks;
}

/** What a block does for the election of the next era, if there is one to hold. */
export function holdElection(at: StakingScope): Weight | undefined {
  if (!at.use(SessionDeclared).state.Validators.has()) return undefined;
  if (beginsElection(at)) begin(at, stakingEra(at.block.number, at.spec.staking) + 1, at.spec.staking.sessionBlocks);
  return proceed(at, at.spec.staking.pagesPerBlock);
}

/** Holds a whole election at once: for genesis, whose size is the chain spec's. */
export function holdAtGenesis(at: StakingScope): void {
  begin(at, 0, Number.MAX_SAFE_INTEGER);
  proceed(at, Number.MAX_SAFE_INTEGER);
}

function sharing(at: StakingScope): number {
  return at.spec.staking.splitsPay ? SHARING_WITH_PAY : SHARING;
}

/** Takes the candidates: who stands, has a bond and keys. Without any, nothing is held. */
function begin(at: StakingScope, era: number, blocks: number): void {
  const { seats, lots, pagesPerBlock, maxVoters, minBond } = at.spec.staking;
  drop(at);
  const { NextKeys } = at.use(SessionDeclared).state;
  const candidates = [...at.state.Validators.keys()]
    .filter((who) => NextKeys.has(who))
    .sort(compare)
    .map((who) => newStanding(who, at.state.Ledger.get(who)?.active ?? 0n))
    .filter(({ bond }) => bond >= minBond);
  if (candidates.length === 0) return;
  const voted = Math.min(candidates.length, Math.max(0, seats - lots - bootstrapSeats(at, era)));
  // Each page is taken once, read once for each seat, and shared out once: what fits into the session, and no more.
  const pages = Math.floor((blocks * pagesPerBlock) / (TAKING + voted + sharing(at)));
  const limit = Math.min(maxVoters, at.state.CounterForVoters.get(), pages * VOTER_PAGE);
  const phase =
    limit === 0
      ? { type: 'Abandoned' as const, value: undefined }
      : { type: 'Voters' as const, value: [EMPTY] as [Bytes] };
  const counts = { seats: voted, elected: [], limit, taken: 0, pages: 0, stake: 0n };
  at.state.Election.put({ era, started_at: at.block.number, phase, ...counts });
  at.state.ElectionCandidates.put(candidates);
}

/** Bootstrap seats of an era: `ceil(voted seats * max(0, target - staked) / target)`, as many as are named (rule E). */
export function bootstrapSeats(at: StakingScope, era: number): number {
  const { seats, lots, bootstrapTarget, bootstrapEras } = at.spec.staking;
  const named = at.state.Bootstrap.get().length;
  const lacks = bootstrapTarget - at.state.TotalBonded.get();
  if (era >= bootstrapEras || lacks <= 0n || named === 0) return 0;
  return Math.min(named, Number((BigInt(seats - lots) * lacks + bootstrapTarget - 1n) / bootstrapTarget));
}

/** Works at the election for `units` pages; the last step may take up to SHARING_WITH_PAY - 1 more. */
function proceed(at: StakingScope, units: number): Weight | undefined {
  const before = at.state.Election.get();
  if (before === undefined || isOver(before)) return undefined;
  const standing = at.state.ElectionCandidates.get() as Standing[];
  let now = before;
  let used = 0;
  // Steps that read no page (the choice of a winner) are at most one for each seat.
  while (used < units && !isOver(now)) {
    const [next, pages] = step(at, now, standing);
    now = next;
    used += pages;
  }
  at.state.Election.put(now);
  at.state.ElectionCandidates.put(standing);
  const reads = now.taken - before.taken + (before.started_at === at.block.number ? standing.length : 0);
  return rw(used + 3 + 2 * reads, used + 3, BigInt(used) * PAGE_PS + BigInt(standing.length) * CANDIDATE_PS);
}

function isOver({ phase }: Ongoing): boolean {
  return phase.type === 'Done' || phase.type === 'Abandoned';
}

/** The next step: the election after it, and what it cost in pages. `standing` is changed in place. */
function step(at: StakingScope, now: Ongoing, standing: Standing[]): [Ongoing, number] {
  switch (now.phase.type) {
    case 'Voters':
      return [takeVoters(at, now, now.phase.value[0], standing), TAKING];
    case 'Seating': {
      const { place, score, page } = now.phase.value;
      if (page === now.pages) return [award(at, now, standing), 0];
      const after = seatOn(pageAt(at, page), standing, place, score);
      if (after !== undefined) at.state.ElectionPages.put(page, mutable(after));
      return [{ ...now, phase: { type: 'Seating', value: { place, score, page: page + 1 } } }, 1];
    }
    case 'Sharing':
      return [share(at, now, now.phase.value[0], standing), sharing(at)];
    case 'Done':
    case 'Abandoned':
      return [now, 0];
  }
}

/** A page as the state keeps it. */
function mutable(page: readonly PagedBallot[]) {
  return page.map((ballot) => ({ ...ballot, choices: [...ballot.choices], edges: [...ballot.edges] }));
}

function pageAt(at: StakingScope, page: number): PagedBallot[] {
  return must(at.state.ElectionPages.get(page), 'a page of the election');
}

function takeVoters(at: StakingScope, now: Ongoing, cursor: Bytes, standing: Standing[]): Ongoing {
  const wanted = Math.min(VOTER_PAGE, now.limit - now.taken);
  const found = at.state.Voters.page(wanted, cursor.length === 0 ? undefined : [cursor]);
  const voters = found.map(([, who]): Voter => ({ who, ...voteOf(at, who) }));
  const ballots = enter(standing, voters);
  if (ballots.length > 0) at.state.ElectionPages.put(now.pages, mutable(ballots));
  const next = {
    ...now,
    taken: now.taken + found.length,
    pages: now.pages + Number(ballots.length > 0),
    stake: ballots.reduce((sum, { stake }) => sum + stake, now.stake),
  };
  // Beyond it scores could not be told apart; no supply of ours comes near.
  if (next.stake > MAX_STAKE) return { ...next, phase: { type: 'Abandoned', value: undefined } };
  const last = found.at(-1);
  const goesOn = last !== undefined && found.length === wanted && next.taken < now.limit;
  return goesOn ? { ...next, phase: { type: 'Voters', value: [last[0]] } } : award(at, next, standing);
}

/** What an account votes for, and with how much: a validator for itself. */
function voteOf(at: StakingScope, who: Bytes): Pick<Voter, 'stake' | 'approves'> {
  const stake = at.state.Ledger.get(who)?.active ?? 0n;
  const approves = at.state.Validators.has(who) ? [who] : (at.state.Nominators.get(who)?.targets ?? []);
  return { stake, approves };
}

/** Gives the next seat away, or goes on to the shares when all are given. */
function award(at: StakingScope, now: Ongoing, standing: Standing[]): Ongoing {
  const next = now.elected.length < now.seats ? nextRound(standing) : undefined;
  if (next === undefined) {
    const done = now.pages === 0;
    return { ...now, phase: done ? { type: 'Done', value: undefined } : { type: 'Sharing', value: [0] } };
  }
  const { place, round } = next;
  standing[place] = { ...must(standing[place], 'a candidate has a place'), elected: true };
  at.state.ErasRounds.mutate(now.era, (rounds) => [...rounds, { ...round }]);
  const value = { place, score: round.score ?? 0n, page: round.score === undefined ? now.pages : 0 };
  return { ...now, elected: [...now.elected, place], phase: { type: 'Seating', value } };
}

/** Divides the stake of a page's voters among the winners, and is done with the page. */
function share(at: StakingScope, now: Ongoing, page: number, standing: Standing[]): Ongoing {
  const ballots = pageAt(at, page);
  const behind = new Map<number, { who: Bytes; value: bigint }[]>();
  for (const ballot of ballots) {
    const shares = sharesOf(ballot);
    if (at.spec.staking.splitsPay) noteVote(at, now.era, ballot, shares.length > 0);
    for (const [place, value] of shares) {
      const one = must(standing[place], 'a candidate has a place');
      standing[place] = { ...one, backing: one.backing + value };
      const list = behind.get(place) ?? [];
      behind.set(place, list);
      list.push({ who: ballot.who, value });
    }
  }
  for (const [place, list] of behind) {
    appendExposures(at, now.era, must(standing[place], 'a candidate has a place').who, list);
  }
  at.state.ElectionPages.delete(page);
  const done = page + 1 === now.pages;
  return { ...now, phase: done ? { type: 'Done', value: undefined } : { type: 'Sharing', value: [page + 1] } };
}

/** Forgets an election; at most as many pages as it left. */
export function drop(at: StakingScope): void {
  at.state.Election.delete();
  at.state.ElectionCandidates.delete();
  at.state.ElectionPages.clear();
}

/** The winners of an election that ended, in order, and everybody who stood; undefined where it did not end. */
export function resultOf(at: StakingScope, era: number): { voted: Standing[]; standing: Standing[] } | undefined {
  const election = at.state.Election.get();
  if (election === undefined || election.era !== era || election.phase.type !== 'Done') return undefined;
  const standing = at.state.ElectionCandidates.get() as Standing[];
  const voted = election.elected.map((place) => must(standing[place], 'a winner stood'));
  return { voted: voted.filter(({ backing }) => backing > 0n), standing };
}

/** True, or what is broken about the election under way. */
export function brokenElection(at: StakingScope): string | true {
  const election = at.state.Election.get();
  if (election === undefined) return at.state.ElectionPages.page(1).length === 0 || 'pages without an election';
  const standing = at.state.ElectionCandidates.get();
  const sorted = standing.every(({ who }, i) => i === 0 || compare((standing[i - 1] as Standing).who, who) < 0);
  if (!sorted) return 'candidates are out of order';
  const elected = standing.filter((one) => one.elected).length;
  if (elected !== election.elected.length || elected > election.seats) return 'more are elected than have seats';
  const backing = standing.reduce((sum, one) => sum + one.backing, 0n);
  return backing <= election.stake || 'more stake is behind winners than voted';
}
