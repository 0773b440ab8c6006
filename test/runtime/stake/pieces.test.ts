/** # Elections in pieces: the pages do not matter, and the weights of seats by lot stay below a third. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { must } from '../../../src/base/assert.ts';
import { compare } from '../../../src/base/bytes.ts';
import type { Voter } from '../../../src/runtime/election/ballots.ts';
import { mostLots } from '../../../src/runtime/election/lots.ts';
import type { Round } from '../../../src/runtime/election/phragmen.ts';
import { seqPhragmen } from '../../../src/runtime/election/phragmen.ts';
import {
  enter,
  newStanding,
  nextRound,
  type PagedBallot,
  seatOn,
  sharesOf,
} from '../../../src/runtime/election/pieces.ts';
import { SEAT_WEIGHT, weighSeats } from '../../../src/runtime/election/weights.ts';

const account = (n: number): Uint8Array => new Uint8Array(32).fill(n & 255).fill(n >> 8, 0, 1);

/** The count of an election whose voters stand on pages of `size`. */
function inPieces(seats: number, candidates: readonly Uint8Array[], voters: readonly Voter[], size: number) {
  const standing = candidates.map((who) => newStanding(who, 0n));
  const pages: PagedBallot[][] = [];
  for (let i = 0; i < voters.length; i += size) pages.push(enter(standing, voters.slice(i, i + size)));
  const rounds: Round[] = [];
  const elected: number[] = [];
  while (elected.length < seats) {
    const next = nextRound(standing);
    if (next === undefined) break;
    rounds.push(next.round);
    elected.push(next.place);
    standing[next.place] = { ...must(standing[next.place], 'a place'), elected: true };
    if (next.round.score === undefined) continue;
    for (const [i, page] of pages.entries()) pages[i] = seatOn(page, standing, next.place, next.round.score) ?? page;
  }
  const shares = pages.flat().map((ballot) => ({
    who: ballot.who,
    edges: sharesOf(ballot).map(([place, stake]) => ({ who: must(candidates[place], 'a candidate'), stake })),
  }));
  const backing = candidates.map((_, place) =>
    pages.flat().reduce((sum, ballot) => sum + (sharesOf(ballot).find(([one]) => one === place)?.[1] ?? 0n), 0n),
  );
  const winners = elected.map((place) => ({ who: candidates[place], backing: backing[place] }));
  return { rounds, winners, assignments: shares.filter(({ edges }) => edges.length > 0) };
}

const elections = fc.integer({ min: 1, max: 9 }).chain((count) =>
  fc.record({
    candidates: fc.constant(Array.from({ length: count }, (_, n) => account(n)).sort(compare)),
    seats: fc.integer({ min: 0, max: count + 1 }),
    votes: fc.array(
      fc.tuple(
        fc.oneof(fc.bigInt(0n, 12n), fc.bigInt(0n, 2n ** 90n)),
        fc.shuffledSubarray(Array.from({ length: count + 1 }, (_, n) => (n === count ? 999 : n))),
      ),
      { maxLength: 14 },
    ),
    size: fc.integer({ min: 1, max: 15 }),
  }),
);

test('an election counted page by page is the election counted at once, to the last unit', () => {
  fc.assert(
    fc.property(elections, ({ candidates, seats, votes, size }) => {
      const voters = votes.map(([stake, approved], i): Voter => {
        return { who: account(2_000 + i), stake, approves: approved.map(account) };
      });
      const whole = seqPhragmen({ seats, candidates, voters });
      const pieces = inPieces(seats, candidates, voters, size);
      assert.deepEqual(pieces.rounds, whole.rounds);
      assert.deepEqual(pieces.winners, whole.winners);
      const edges = whole.assignments.map(({ who, edges: of }) => {
        return { who, edges: of.map((edge) => ({ who: edge.who, stake: edge.stake })) };
      });
      assert.deepEqual(pieces.assignments, edges);
    }),
    { numRuns: 400 },
  );
});

test('seats by lot weigh together less than a third, whatever was bonded', () => {
  const stakes = (max: number) => fc.array(fc.bigInt(1n, 2n ** 90n), { maxLength: max });
  fc.assert(
    fc.property(stakes(30), fc.nat(10), stakes(20), (voted, bootstrap, lots) => {
      fc.pre(voted.length + bootstrap > 0);
      const seated = (list: readonly bigint[]) => list.map((stake, i) => ({ who: account(i), stake }));
      const drawn = lots.slice(0, mostLots(voted.length + bootstrap));
      const all = weighSeats({
        voted: seated(voted),
        bootstrap: seated(Array.from({ length: bootstrap }, () => 0n)),
        drawn: seated(drawn),
      });
      const sum = (list: readonly { readonly weight: bigint }[]) =>
        list.reduce((total, { weight }) => total + weight, 0n);
      const byLot = drawn.length === 0 ? 0n : sum(all.slice(-drawn.length));
      assert.ok(3n * byLot < sum(all), `${byLot} of ${sum(all)}`);
      assert.ok(all.every(({ weight }) => weight > 0n));
      // Voted seats: a tenth of the stake is a tenth of their weight, give or take a unit.
      const behind = voted.reduce((total, stake) => total + stake, 0n);
      for (const [i, stake] of voted.entries()) {
        const due = (stake * SEAT_WEIGHT * BigInt(voted.length)) / behind;
        assert.ok(must(all[i], 'a seat').weight === (due > 0n ? due : 1n));
      }
    }),
  );
});
