/**
 * # Pieces: sequential Phragmén a page of voters at a time, for whoever may not count everything at once.
 *
 * Always true: whatever the pages, the winners, their order, their backing and every voter's edges are those of
 * `seqPhragmen`; a page holds all that the count needs of its voters, so that a step reads and writes one page and the
 * list of candidates. Candidates stand in ascending order of their accounts.
 */
import { must } from '../../base/assert.ts';
import { type Bytes, compare } from '../../base/bytes.ts';
import { max, min } from '../../base/fixed.ts';
import type { Voter } from './ballots.ts';
import { normalise } from './normalise.ts';
import { type Round, WHOLE } from './phragmen.ts';

/** A candidate while seats are given away. */
export interface Standing {
  readonly who: Bytes;
  /** Base units of its own. */
  readonly bond: bigint;
  /** The stake that approves it, and how many voters that is. */
  readonly approval: bigint;
  readonly supporters: number;
  /** The sum over its voters of floor(load * stake / approval): what earlier seats put on its stake. */
  readonly carried: bigint;
  readonly elected: boolean;
  /** Once shares are given: the stake that the assignments give it. */
  readonly backing: bigint;
}

/** A voter while seats are given away. */
export interface PagedBallot {
  readonly who: Bytes;
  readonly stake: bigint;
  readonly load: bigint;
  /** Places of candidates, in the order of the vote. */
  readonly choices: readonly number[];
  /** By choice: what its seat put on the voter; 0 where it has none. */
  readonly edges: readonly bigint[];
}

/** A candidate that stands, before anybody voted. */
export function newStanding(who: Bytes, bond: bigint): Standing {
  return { who, bond, approval: 0n, supporters: 0, carried: 0n, elected: false, backing: 0n };
}

/** The ballots of voters, counted into `standing`. Votes for who does not stand are dropped, and empty ballots. */
export function enter(standing: Standing[], voters: readonly Voter[]): PagedBallot[] {
  const ballots: PagedBallot[] = [];
  for (const { who, stake, approves } of voters) {
    const choices = approves.map((one) => placeOf(standing, one)).filter((place) => place !== undefined);
    if (stake === 0n || choices.length === 0) continue;
    for (const choice of choices) {
      const one = at(standing, choice);
      standing[choice] = { ...one, approval: one.approval + stake, supporters: one.supporters + 1 };
    }
    ballots.push({ who, stake, load: 0n, choices, edges: choices.map(() => 0n) });
  }
  return ballots;
}

/** The next seat: who wins it and why; undefined where nobody is left. `elected` is set by the caller. */
export function nextRound(
  standing: readonly Standing[],
): { readonly place: number; readonly round: Round } | undefined {
  let first: number | undefined;
  let second: number | undefined;
  for (const [place, { elected }] of standing.entries()) {
    if (elected) continue;
    if (first === undefined || isBelow(standing, place, first)) {
      second = first;
      first = place;
    } else if (second === undefined || isBelow(standing, place, second)) second = place;
  }
  if (first === undefined) return undefined;
  const { who, approval, supporters, carried } = at(standing, first);
  const score = scoreOf(at(standing, first));
  const next = second === undefined ? undefined : at(standing, second);
  const round: Round = {
    who,
    approval,
    supporters,
    score,
    base: approval === 0n ? 0n : WHOLE / approval,
    carried,
    stakePerSeat: score === undefined ? 0n : min(approval, WHOLE / score),
    runnerUp: next && { who: next.who, score: scoreOf(next) },
  };
  return { place: first, round };
}

/** Puts a seat on its supporters in a page and mends `standing`: the page as it is then; undefined: none are in it. */
export function seatOn(
  page: readonly PagedBallot[],
  standing: Standing[],
  winner: number,
  score: bigint,
): PagedBallot[] | undefined {
  if (!page.some(({ choices }) => choices.includes(winner))) return undefined;
  const changes = new Map<number, bigint>();
  const after = page.map((ballot) => {
    if (!ballot.choices.includes(winner)) return ballot;
    const { choices, stake, load } = ballot;
    const [weight, before] = [score * stake, load * stake];
    for (const choice of choices) {
      const { elected, approval } = at(standing, choice);
      if (!elected) changes.set(choice, (changes.get(choice) ?? 0n) + weight / approval - before / approval);
    }
    // A load may fall by a rounding; an edge is never less than nothing.
    const edges = ballot.edges.map((edge, k) => (choices[k] === winner ? max(0n, score - load) : edge));
    return { ...ballot, load: score, edges };
  });
  for (const [choice, change] of changes) {
    const one = at(standing, choice);
    standing[choice] = { ...one, carried: one.carried + change };
  }
  return after;
}

/** How a ballot's stake is divided among its winners: pairs of a candidate's place and stake, in the order of votes. */
export function sharesOf({ choices, edges, stake, load }: PagedBallot): [number, bigint][] {
  if (load === 0n) return [];
  const shares = choices
    .map((choice, k): [number, bigint] => [choice, (stake * (edges[k] as bigint)) / load])
    .filter(([, share]) => share > 0n);
  const exact = normalise(
    shares.map(([, share]) => share),
    stake,
  );
  return shares.map(([choice], k): [number, bigint] => [choice, exact[k] as bigint]).filter(([, part]) => part > 0n);
}

function scoreOf({ approval, carried }: Standing): bigint | undefined {
  return approval === 0n ? undefined : min(WHOLE, WHOLE / approval + carried);
}

function isBelow(standing: readonly Standing[], a: number, b: number): boolean {
  const [one, other] = [scoreOf(at(standing, a)), scoreOf(at(standing, b))];
  return one !== undefined && (other === undefined || one < other);
}

function placeOf(standing: readonly Standing[], account: Bytes): number | undefined {
  let low = 0;
  let high = standing.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const side = compare(at(standing, middle).who, account);
    if (side === 0) return middle;
    if (side < 0) low = middle + 1;
    else high = middle;
  }
  return undefined;
}

function at(standing: readonly Standing[], place: number): Standing {
  return must(standing[place], 'a candidate has a place');
}
