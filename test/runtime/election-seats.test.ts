import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { toHex } from '../../src/base/bytes.ts';
import type { Voter } from '../../src/runtime/election/ballots.ts';
import { ElectionError, type ElectionFault } from '../../src/runtime/election/errors.ts';
import { fillSeats, lotSeed, mostLots, type SeatRule } from '../../src/runtime/election/seats.ts';
import { account, numberOf } from './election-oracle.ts';

const UNIT = 10n ** 12n;
const MAKAI: SeatRule = { seats: 27, lots: 6, minBond: 1_000n * UNIT };
const BEACON = new Uint8Array(32).fill(7);

/** Candidates 0 .. count - 1 with a bond that grows, and three voters for each of the first `backed`. */
function poll(count: number, backed = count) {
  const candidates = Array.from({ length: count }, (_, n) => ({ who: account(n), bond: (1_000n + BigInt(n)) * UNIT }));
  const voters = Array.from({ length: 3 * backed }, (_, i): Voter => {
    const choice = i % backed;
    const approves = [choice, (choice * 7 + 1) % backed].filter((n, at, all) => all.indexOf(n) === at);
    return { who: account(10_000 + i), stake: BigInt(i + 1) * UNIT, approves: approves.map(account) };
  });
  return { candidates, voters, seed: lotSeed(BEACON, 1) };
}

const names = (accounts: readonly Uint8Array[]) => accounts.map(numberOf);

test('makai: 21 of 40 are elected, and 6 of the 19 losers are drawn', () => {
  const { voted, drawn, urn } = fillSeats(MAKAI, poll(40));
  const winners = names(voted.map(({ who }) => who));
  assert.equal(new Set(winners).size, 21);
  assert.equal(urn.length, 19);
  assert.equal(new Set([...winners, ...names(urn)]).size, 40);
  assert.equal(drawn.length, 6);
  assert.equal(new Set([...winners, ...names(drawn)]).size, 27);
});

test('seats by lot stay below a third, whoever stands and whoever is voted for', () => {
  const rules = fc.integer({ min: 1, max: 40 }).chain((seats) =>
    fc.record({
      seats: fc.constant(seats),
      lots: fc.integer({ min: 0, max: Math.ceil(seats / 3) - 1 }),
      minBond: fc.constant(1n),
    }),
  );
  fc.assert(
    fc.property(rules, fc.integer({ min: 1, max: 50 }), fc.nat(100), (rule, count, share) => {
      const { voted, drawn, urn } = fillSeats(rule, poll(count, Math.max(1, Math.floor((count * share) / 100))));
      assert.ok(drawn.length === 0 || 3 * drawn.length < voted.length + drawn.length);
      assert.ok(voted.length + drawn.length <= rule.seats);
      // Nothing but the third, the rule and the urn holds a seat by lot back.
      if (drawn.length < Math.min(rule.lots, urn.length)) {
        assert.ok(3 * (drawn.length + 1) >= voted.length + drawn.length + 1);
      }
    }),
  );
  assert.deepEqual([0, 1, 2, 3, 4, 5, 21].map(mostLots), [0, 0, 0, 1, 1, 2, 10]);
});

test('a rule that gives a third or more to the lot is refused', () => {
  const refuses = (code: ElectionFault, rule: Partial<SeatRule>) =>
    assert.throws(
      () => fillSeats({ ...MAKAI, ...rule }, poll(40)),
      (error) => error instanceof ElectionError && error.code === code,
    );
  refuses('TooManyLots', { lots: 9 });
  refuses('TooManyLots', { lots: -1 });
  refuses('TooManyLots', { lots: 1.5 });
  refuses('TooManyLots', { seats: 3, lots: 1 });
  refuses('BadSeats', { seats: 0, lots: 0 });
  refuses('BadStake', { minBond: 0n });
  assert.equal(fillSeats({ ...MAKAI, lots: 8 }, poll(40)).drawn.length, 8);
});

test('without a bond of its own a loser is not in the lot, and without votes nobody has a voted seat', () => {
  const { candidates, voters, seed } = poll(40, 25);
  const poor = candidates.map((one, n) => (n >= 30 ? { ...one, bond: MAKAI.minBond - 1n } : one));
  const { voted, urn, drawn } = fillSeats(MAKAI, { candidates: poor, voters, seed });
  assert.ok(voted.every(({ who, backing }) => numberOf(who) < 25 && backing > 0n));
  assert.ok(names(urn).every((n) => n < 30));
  assert.equal(urn.length, 30 - 21);
  assert.equal(drawn.length, 6);
  const unbacked = fillSeats(MAKAI, { candidates, voters: [], seed });
  assert.deepEqual([unbacked.voted, unbacked.drawn, unbacked.urn.length], [[], [], 40]);
});

test('the order in which candidates and voters are listed changes nothing', () => {
  const election = poll(40);
  const one = fillSeats(MAKAI, election);
  const other = fillSeats(MAKAI, {
    ...election,
    candidates: election.candidates.toReversed(),
    voters: election.voters.toReversed(),
  });
  assert.deepEqual(other.voted, one.voted);
  assert.deepEqual(other.drawn, one.drawn);
  assert.deepEqual(other.rounds, one.rounds);
});

test('the beacon and the era decide the lot, and every loser is drawn about as often as the others', () => {
  const election = poll(40);
  const times = new Map<string, number>();
  const eras = 600;
  for (let era = 0; era < eras; era++) {
    const { drawn } = fillSeats(MAKAI, { ...election, seed: lotSeed(BEACON, era) });
    for (const who of drawn) times.set(toHex(who), (times.get(toHex(who)) ?? 0) + 1);
  }
  // 6/19 of 600 are 189; the standard deviation is 11.4. The seeds are fixed, so this is no matter of luck.
  assert.equal(times.size, 19);
  for (const count of times.values()) assert.ok(Math.abs(count - (eras * 6) / 19) < 46, `${count}`);
  assert.notDeepEqual(lotSeed(BEACON, 1), lotSeed(BEACON, 2));
  assert.notDeepEqual(lotSeed(BEACON, 1), lotSeed(new Uint8Array(32), 1));
});
