/**
 * # Seats: those that are voted for, and those that fall by lot (makai: 21 and 6 of 27).
 *
 * Always true: seats by lot are less than a third of the seats that are taken, so that a third which could stop or
 * split finality never comes out of the lot alone; a voted seat has stake behind it, one by lot a bond of its own; the
 * result does not depend on the order of candidates or voters. Source: FEATURES.md S-237 and 6.6.
 */
import { type Bytes, compare, concat, littleEndian, utf8 } from '../../base/bytes.ts';
import { blake2_256 } from '../../crypto/hash.ts';
import { Dice } from '../dice.ts';
import type { Voter } from './ballots.ts';
import { ElectionError } from './errors.ts';
import { type Assignment, type Round, seqPhragmen, type Winner } from './phragmen.ts';

export interface SeatRule {
  /** All seats, and those of them that fall by lot: 3 * lots < seats. */
  readonly seats: number;
  readonly lots: number;
  /** Base units of its own, above 0, that a candidate has bonded to be in the lot. */
  readonly minBond: bigint;
}

export interface Candidate {
  readonly who: Bytes;
  /** Base units of its own. Its votes for itself, if it has any, are among the voters. */
  readonly bond: bigint;
}

export interface Seats {
  /** In order of election; nobody without backing. */
  readonly voted: readonly Winner[];
  /** In the order in which they were drawn. */
  readonly drawn: readonly Bytes[];
  /** Who was in the lot: the losers with a bond, ascending. */
  readonly urn: readonly Bytes[];
  readonly assignments: readonly Assignment[];
  readonly rounds: readonly Round[];
}

/** The seats of an era. `seed` decides the lot: lotSeed. Throws ElectionError; bounds: ballots.ts. */
export function fillSeats(
  rule: SeatRule,
  election: { readonly candidates: readonly Candidate[]; readonly voters: readonly Voter[]; readonly seed: Bytes },
): Seats {
  checkRule(rule);
  const candidates = [...election.candidates].sort((a, b) => compare(a.who, b.who));
  const outcome = seqPhragmen({
    seats: rule.seats - rule.lots,
    candidates: candidates.map(({ who }) => who),
    voters: election.voters,
  });
  const voted = outcome.winners.filter(({ backing }) => backing > 0n);
  const winners = voted.map(({ who }) => who).sort(compare);
  const urn: Bytes[] = [];
  let passed = 0;
  for (const { who, bond } of candidates) {
    const next = winners[passed];
    if (next !== undefined && compare(next, who) === 0) passed++;
    else if (bond >= rule.minBond) urn.push(who);
  }
  const drawn = drawLots(urn, Math.min(rule.lots, mostLots(voted.length)), election.seed);
  const { assignments, rounds } = outcome;
  return { voted, drawn, urn, assignments, rounds };
}

/** At most `count` of the urn (ascending), each as likely as the others, none twice. */
export function drawLots(urn: readonly Bytes[], count: number, seed: Bytes): Bytes[] {
  const drawn = Math.min(count, urn.length);
  return new Dice(seed).distinct(drawn, urn.length).map((n) => urn[n] as Bytes);
}

/** How many seats may fall by lot beside `voted` ones: the most for which 3 * lots < voted + lots. */
export function mostLots(voted: number): number {
  return Math.max(0, Math.floor((voted - 1) / 2));
}

/** What decides the lot of an era, from a beacon that no candidate knew when it bonded. */
export function lotSeed(beacon: Bytes, era: number): Bytes {
  return blake2_256(concat(utf8('staking/1/lot'), beacon, littleEndian(BigInt(era), 4)));
}

function checkRule({ seats, lots, minBond }: SeatRule): void {
  if (!Number.isInteger(seats) || seats < 1) throw new ElectionError('BadSeats', `${seats}`);
  if (!Number.isInteger(lots) || lots < 0 || 3 * lots >= seats) {
    throw new ElectionError('TooManyLots', `${lots} of ${seats}`);
  }
  if (minBond <= 0n) throw new ElectionError('BadStake', `a bond of at least ${minBond}`);
}
