import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { min, PERBILL } from '../../src/base/fixed.ts';
import { bagOf, richest } from '../../src/runtime/election/bags.ts';
import { MAX_APPROVALS, MAX_CANDIDATES, MAX_SEATS, MAX_STAKE, MAX_VOTERS } from '../../src/runtime/election/ballots.ts';
import { ElectionError, type ElectionFault } from '../../src/runtime/election/errors.ts';
import { normalise } from '../../src/runtime/election/normalise.ts';
import { WHOLE } from '../../src/runtime/election/phragmen.ts';
import { below, elect, exactly, type Fraction, isClose, type Profile, slowly, type Vote } from './election-oracle.ts';

const U64 = 2n ** 64n - 1n;
const UNIT = 10n ** 12n;
const [a, b, c, d, e, f, g] = [0, 1, 2, 3, 4, 5, 6];

const numbered = (ballots: readonly (readonly number[])[], stake = UNIT) =>
  ballots.map((approves, i): Vote => [100 + i, stake, approves]);

/** Published scores are per voter with one unit of stake; ours may be off by one in the last place for each voter. */
function assertScores(scores: readonly (bigint | undefined)[], published: readonly Fraction[], voters: number): void {
  assert.equal(scores.length, published.length);
  for (const [i, [n, den]] of published.entries()) {
    const off = (scores[i] as bigint) * den * UNIT - n * WHOLE;
    assert.ok(off <= 0n && -off <= BigInt(voters + 1) * den * UNIT, `round ${i}: ${scores[i]} is not ${n}/${den}`);
  }
}

// Published elections. The first group is substrate/primitives/npos-elections/src/tests.rs of polkadot-sdk.

test('phragmen_core_poc_works: 3 is elected before 2, and the middle voter is divided in two', () => {
  const { winners, stakes, perbill, rounds } = elect({
    seats: 2,
    candidates: [1, 2, 3],
    votes: [
      [10, 10n, [1, 2]],
      [20, 20n, [1, 3]],
      [30, 30n, [2, 3]],
    ],
  });
  assert.deepEqual(winners, [
    [3, 35n],
    [2, 25n],
  ]);
  assert.deepEqual(stakes, [
    [10, [[2, 10n]]],
    [20, [[3, 20n]]],
    [
      30,
      [
        [2, 15n],
        [3, 15n],
      ],
    ],
  ]);
  assert.deepEqual(perbill, [
    [10, [[2, PERBILL]]],
    [20, [[3, PERBILL]]],
    [
      30,
      [
        [2, PERBILL / 2n],
        [3, PERBILL / 2n],
      ],
    ],
  ]);
  // Round 0: 1/50. Round 1: (1 + 30/50)/40 = 1/25 for 2, (1 + 20/50)/30 for 1.
  assert.deepEqual(
    rounds.map(({ approval, supporters, stakePerSeat }) => [approval, supporters, stakePerSeat]),
    [
      [50n, 2, 50n],
      [40n, 2, 25n],
    ],
  );
});

test('balancing_core_works: before balancing, 4, 1, 2 and 3 are elected in this order', () => {
  const { names } = elect({
    seats: 4,
    candidates: [1, 2, 3, 4, 5],
    votes: [
      [10, 10n, [1, 2]],
      [20, 20n, [1, 3]],
      [30, 30n, [1, 2, 3, 4]],
      [40, 40n, [1, 3, 4, 5]],
      [50, 50n, [2, 4, 5]],
    ],
  });
  assert.deepEqual(names, [4, 1, 2, 3]);
});

const selfVotes = (stakes: Readonly<Record<number, bigint>>): Vote[] =>
  Object.entries(stakes).map(([who, stake]) => [Number(who), stake, [Number(who)]]);

test('phragmen_accuracy_on_large_scale: stakes at the end of u64 that differ by one are told apart', () => {
  const own = { 1: U64 - 1n, 2: U64 - 4n, 3: U64 - 5n, 4: U64 - 3n, 5: U64 - 2n };
  const candidates = [1, 2, 3, 4, 5];
  assert.deepEqual(elect({ seats: 2, candidates, votes: selfVotes(own) }).winners, [
    [1, 18_446_744_073_709_551_614n],
    [5, 18_446_744_073_709_551_613n],
  ]);
  const votes: Vote[] = [[13, U64 - 10n, [1, 3, 5]], [14, U64, [2, 4]], ...selfVotes(own)];
  const { winners, perbill } = elect({ seats: 2, candidates, votes });
  assert.deepEqual(winners, [
    [2, 36_893_488_147_419_103_226n],
    [1, 36_893_488_147_419_103_219n],
  ]);
  assert.deepEqual(perbill, [
    [13, [[1, PERBILL]]],
    [14, [[2, PERBILL]]],
    [1, [[1, PERBILL]]],
    [2, [[2, PERBILL]]],
  ]);
});

test('phragmen_accuracy_on_small_scale: stakes of 0, 1 and 2 units elect by size, then by order', () => {
  const expected = [
    [20, 2n],
    [10, 1n],
    [30, 1n],
  ];
  const candidates = [40, 10, 20, 30];
  const own: Vote[] = [
    [40, 0n, [40]],
    [10, 1n, [10]],
    [20, 2n, [20]],
    [30, 1n, [30]],
  ];
  assert.deepEqual(elect({ seats: 3, candidates, votes: own }).winners, expected);
  const others = own.map(([who, stake]): Vote => [who / 10, stake, [who]]);
  assert.deepEqual(elect({ seats: 3, candidates, votes: others }).winners, expected);
});

test('phragmen_large_scale_test: stakes from 1 to 10^18 in one election', () => {
  const own = {
    2: 1n,
    4: 100n,
    6: 1_000_000n,
    8: 100_000_000_001_000n,
    10: 100_000_000_002_000n,
    12: 100_000_000_003_000n,
    14: 400_000_000_000_000n,
    16: 400_000_000_001_000n,
    18: 18_000_000_000_000_000n,
    20: 20_000_000_000_000_000n,
    22: 500_000_000_000_100_000n,
    24: 500_000_000_000_200_000n,
  };
  const candidates = [2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24];
  const votes: Vote[] = [[50, 990_000_000_000_000_000n, candidates], ...selfVotes(own)];
  assert.deepEqual(elect({ seats: 2, candidates, votes }).names, [24, 22]);
});

test('phragmen_large_scale_test_2: half and half, to the unit', () => {
  const votes: Vote[] = [[50, 10n ** 18n, [2, 4]], ...selfVotes({ 2: 4_000_000n, 4: 4_000_000n })];
  const { winners, perbill } = elect({ seats: 2, candidates: [2, 4], votes });
  assert.deepEqual(winners, [
    [2, 500_000_000_005_000_000n],
    [4, 500_000_000_003_000_000n],
  ]);
  assert.deepEqual(perbill[0], [
    50,
    [
      [2, 500_000_000n],
      [4, 500_000_000n],
    ],
  ]);
});

test('elect_has_no_entry_barrier: with seats left over, who has no votes is elected last, with nothing', () => {
  const profile: Profile = {
    seats: 3,
    candidates: [10, 20, 30],
    votes: [
      [1, 10n, [10]],
      [2, 10n, [20]],
    ],
  };
  const { winners, scores } = elect(profile);
  assert.deepEqual(winners, [
    [10, 10n],
    [20, 10n],
    [30, 0n],
  ]);
  assert.equal(scores[2], undefined);
});

test('phragmen_self_votes_should_be_kept: a candidate votes for itself, and losers keep nothing', () => {
  const votes: Vote[] = [
    [5, 5n, [5]],
    [10, 10n, [10]],
    [20, 20n, [20]],
    [1, 8n, [10, 20]],
  ];
  const { winners, stakes } = elect({ seats: 2, candidates: [5, 10, 20, 30], votes });
  assert.deepEqual(winners, [
    [20, 24n],
    [10, 14n],
  ]);
  assert.deepEqual(stakes, [
    [10, [[10, 10n]]],
    [20, [[20, 20n]]],
    [
      1,
      [
        [10, 4n],
        [20, 4n],
      ],
    ],
  ]);
});

test('duplicate_target_is_ignored, once its duplicates are taken out: 2 with 140 and 3 with 110', () => {
  const votes: Vote[] = [
    [10, 100n, [1, 2, 3]],
    [20, 100n, [2, 3]],
    [30, 50n, [1, 2]],
  ];
  assert.deepEqual(elect({ seats: 2, candidates: [1, 2, 3], votes }).winners, [
    [2, 140n],
    [3, 110n],
  ]);
});

test('Lackner and Skowron, example 2.9: loads 1/8, 11/32 (b ties with c), 55/128, 5/8', () => {
  const ballots = [...Array(3).fill([a, b]), ...Array(3).fill([a, c]), [a, d], [a, d], [b, c, f], [e], [f], [g]];
  const profile = { candidates: [a, b, c, d, e, f, g], votes: numbered(ballots) };
  const four = elect({ seats: 4, ...profile });
  assert.deepEqual(four.names, [a, b, c, d]);
  const published: Fraction[] = [
    [1n, 8n],
    [11n, 32n],
    [55n, 128n],
    [5n, 8n],
  ];
  assertScores(four.scores, published, ballots.length);
  assert.equal(four.rounds[1]?.runnerUp?.score, four.scores[1]);
  // The whole ranking, as the tests of the R package fastVoteR have it: then f, and e ties with g.
  assert.deepEqual(elect({ seats: 7, ...profile }).names, [a, b, c, d, f, e, g]);
});

test('Lackner and Skowron, example 2.12: loads 1/5, 1/3, 29/60', () => {
  const ballots = [...Array(3).fill([c, d]), [a, b], [a, b], [a, c], [a, c], [b, d]];
  const { names, scores } = elect({ seats: 3, candidates: [a, b, c, d], votes: numbered(ballots) });
  assert.deepEqual(names, [c, b, d]);
  const published: Fraction[] = [
    [1n, 5n],
    [1n, 3n],
    [29n, 60n],
  ];
  assertScores(scores, published, ballots.length);
});

test('Janson, Phragmén’s and Thiele’s election methods, example 3.7: A, B and Q', () => {
  const [A, B, C, P, Q, R] = [0, 1, 2, 3, 4, 5];
  const votes: Vote[] = [
    [10, 1_034n, [A, B, C]],
    [11, 519n, [P, Q, R]],
    [12, 90n, [A, B, Q]],
    [13, 90n, [A, P, Q]],
  ];
  const { names } = elect({ seats: 3, candidates: [A, B, C, P, Q, R], votes });
  assert.deepEqual([...names].sort(), [A, B, Q]);
});

test('Polkadot’s page on Phragmén, first example: loads 1/4, 1/2, 1 for B, D, C', () => {
  const ballots = [[b], [c, d], [b, d], [a, b], [b, c, d]];
  const { names, scores } = elect({ seats: 3, candidates: [a, b, c, d], votes: numbered(ballots) });
  assert.deepEqual(names, [b, d, c]);
  const published: Fraction[] = [
    [1n, 4n],
    [1n, 2n],
    [1n, 1n],
  ];
  assertScores(scores, published, ballots.length);
});

test('Polkadot’s page on Phragmén, weighted example: A 6.807, D 4.545, B 3.647', () => {
  const ballots = [[a, b], [a, b], [a], [b, c, d], [a, d]];
  const votes = ballots.map((approves, i): Vote => [100 + i, BigInt(i + 1) * 1_000_000n, approves]);
  const { winners, stakes } = elect({ seats: 3, candidates: [a, b, c, d, e], votes });
  const rounded = (stake: bigint) => (stake + 500n) / 1_000n;
  assert.deepEqual(
    winners.map(([who, backing]) => [who, rounded(backing)]),
    [
      [a, 6_807n],
      [d, 4_545n],
      [b, 3_647n],
    ],
  );
  assert.deepEqual(
    stakes.map(([, edges]) => (edges as [number, bigint][]).map(([who, stake]) => [who, rounded(stake)])),
    [
      [
        [a, 332n],
        [b, 668n],
      ],
      [
        [a, 663n],
        [b, 1_337n],
      ],
      [[a, 3_000n]],
      [
        [b, 1_642n],
        [d, 2_358n],
      ],
      [
        [a, 2_813n],
        [d, 2_188n],
      ],
    ],
  );
});

test('parts are mended as sp_arithmetic::normalize does', () => {
  const cases: [bigint[], bigint, bigint[]][] = [
    [[8n, 9n, 7n, 10n], 40n, [10n, 10n, 10n, 10n]],
    [[7n, 7n, 7n, 7n], 40n, [10n, 10n, 10n, 10n]],
    [[7n, 7n, 7n, 10n], 40n, [11n, 11n, 8n, 10n]],
    [[7n, 8n, 7n, 10n], 40n, [11n, 8n, 11n, 10n]],
    [[7n, 7n, 8n, 10n], 40n, [11n, 11n, 8n, 10n]],
    [[8n, 11n, 9n, 10n], 40n, [10n, 11n, 9n, 10n]],
    [[10n, 7n, 10n, 10n], 40n, [10n, 10n, 10n, 10n]],
    [[12n, 11n, 13n, 10n], 40n, [10n, 10n, 10n, 10n]],
    [[13n, 13n, 13n, 13n], 40n, [10n, 10n, 10n, 10n]],
    [[13n, 13n, 13n, 10n], 40n, [12n, 9n, 9n, 10n]],
    [[13n, 12n, 13n, 10n], 40n, [9n, 12n, 9n, 10n]],
    [[13n, 13n, 12n, 10n], 40n, [9n, 9n, 12n, 10n]],
    [[1n, 100n, 100n], 10n, [1n, 9n, 0n]],
    [[1n, 8n, 9n], 1n, [0n, 1n, 0n]],
    [[30n, 33n, 30n], 100n, [34n, 33n, 33n]],
    [[33n, 30n], 100n, [34n, 66n]],
    [[200_000_000n, 150_000_000n, 300_000_000n], PERBILL, [316_666_668n, 383_333_332n, 300_000_000n]],
  ];
  for (const [parts, target, expected] of cases) assert.deepEqual(normalise(parts, target), expected, `${parts}`);
  fc.assert(
    fc.property(
      fc.array(fc.bigInt(0n, 10n ** 20n), { minLength: 1, maxLength: 16 }),
      fc.bigInt(0n, 10n ** 22n),
      (parts, target) => {
        const out = normalise(parts, target);
        assert.equal(
          out.reduce((x, y) => x + y),
          target,
        );
        assert.ok(out.every((part) => part >= 0n));
      },
    ),
  );
});

// Random elections.

const profiles = (stake: fc.Arbitrary<bigint>, most = { candidates: 7, voters: 9 }): fc.Arbitrary<Profile> =>
  fc.integer({ min: 1, max: most.candidates }).chain((count) => {
    const candidates = Array.from({ length: count }, (_, i) => 7 * i + 3);
    return fc.record({
      seats: fc.integer({ min: 0, max: count + 1 }),
      candidates: fc.shuffledSubarray(candidates, { minLength: count }),
      votes: fc
        .array(fc.tuple(stake, fc.shuffledSubarray([...candidates, 1_000])), { maxLength: most.voters })
        .map((votes) => votes.map(([amount, approves], i): Vote => [2_000 + i, amount, approves])),
    });
  });
const small = fc.bigInt(0n, 12n);
const large = fc.bigInt(UNIT, 10n ** 21n);
const any = fc.oneof(small, large, fc.bigInt(0n, 2n ** 90n));

test('every round has the winner and the score that counting everything anew gives', () => {
  fc.assert(
    fc.property(profiles(any), (profile) => {
      const { names, scores } = elect(profile);
      assert.deepEqual(
        names.map((who, i) => [who, scores[i]]),
        slowly(profile),
      );
    }),
    { numRuns: 500 },
  );
});

test('every winner has the lowest score on paper, but for roundings, and the assignments are those on paper', () => {
  fc.assert(
    fc.property(profiles(large), (profile) => {
      const { names, assignments } = elect(profile);
      const rounds = exactly(profile, names);
      for (const {
        score: [n, den],
        scores,
      } of rounds) {
        for (const rival of scores.values()) assert.ok(!below(rival, [n * (2n ** 40n - 1n), den * 2n ** 40n]));
      }
      // On paper a voter gives each winner the part of his load that it added.
      for (const [who, stake, approves] of profile.votes) {
        const seats = rounds.filter(({ who: winner, score }) => approves.includes(winner) && score[1] !== 0n);
        const edges = assignments.find((given) => given.who.at(-1) === (who & 0xff) && given.who.at(-2) === who >> 8);
        assert.equal(edges === undefined, seats.length === 0);
        let before: Fraction = [0n, 1n];
        const [ln, ld] = seats.at(-1)?.score ?? [1n, 1n];
        for (const {
          who: winner,
          score: [n, den],
        } of seats) {
          const paper = (stake * ld * (n * before[1] - before[0] * den)) / (ln * den * before[1]);
          before = [n, den];
          const given = edges?.edges.find((edge) => edge.who.at(-1) === winner)?.stake ?? 0n;
          const slack = 20n + stake / 2n ** 40n;
          assert.ok(given - paper <= slack && paper - given <= slack, `${given} of ${paper}`);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('a voter’s edges sum exactly to his stake, their parts to 10^9, and backing to the edges', () => {
  fc.assert(
    fc.property(profiles(any), (profile) => {
      const { winners, names, assignments, stakes } = elect(profile);
      const backing = new Map(names.map((who) => [who, 0n]));
      for (const [i, [who, edges]] of (stakes as [number, [number, bigint][]][]).entries()) {
        const [, stake, approves] = profile.votes.find((vote) => vote[0] === who) as Vote;
        assert.equal(
          edges.reduce((sum, [, part]) => sum + part, 0n),
          stake,
        );
        assert.equal(
          assignments[i]?.edges.reduce((sum, { perbill }) => sum + perbill, 0n),
          PERBILL,
        );
        for (const [winner, part] of edges) {
          assert.ok(approves.includes(winner) && part > 0n);
          backing.set(winner, (backing.get(winner) as bigint) + part);
        }
      }
      assert.deepEqual(winners, [...backing]);
      // Only who has less than a unit for each choice may be left without an edge.
      for (const [who, stake, approves] of profile.votes) {
        if (stake < BigInt(MAX_APPROVALS) || !approves.some((choice) => names.includes(choice))) continue;
        assert.ok(stakes.some(([voter]) => voter === who));
      }
    }),
    { numRuns: 300 },
  );
});

test('proportional justified representation: l parts of the stake that agree on l candidates have l winners', () => {
  fc.assert(
    fc.property(profiles(fc.bigInt(1n, 20n), { candidates: 6, voters: 7 }), (profile) => {
      const { seats, candidates, votes } = profile;
      const { names } = elect(profile);
      const total = votes.reduce((sum, [, stake]) => sum + stake, 0n);
      for (let group = 1; group < 1 << votes.length; group++) {
        const members = votes.filter((_, i) => group & (1 << i));
        const common = candidates.filter((n) => members.every(([, , approves]) => approves.includes(n))).length;
        const stake = members.reduce((sum, [, own]) => sum + own, 0n);
        const due = Math.min(common, Number((stake * BigInt(seats)) / total));
        const won = names.filter((n) => members.some(([, , approves]) => approves.includes(n))).length;
        assert.ok(won >= due, `${won} of ${due}`);
      }
    }),
    { numRuns: 300 },
  );
});

test('parties that share no candidate get the seats of D’Hondt (Brill et al. 2017, section 3)', () => {
  const parties = fc.uniqueArray(fc.bigInt(UNIT, 10n ** 18n), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(parties, fc.integer({ min: 1, max: 5 }), (stakes, seats) => {
      const lists = stakes.map((_, p) => Array.from({ length: seats }, (_, i) => 10 * p + i));
      const votes = stakes.map((stake, p): Vote => [200 + p, stake, lists[p] as number[]]);
      const { names } = elect({ seats, candidates: lists.flat(), votes });
      const quotients = stakes.flatMap(
        (stake, p) => lists[p]?.map((_, i): [bigint, number] => [(stake * 60n) / BigInt(i + 1), p]) ?? [],
      );
      const order = quotients.sort(([x], [y]) => (x > y ? -1 : 1)).slice(0, seats);
      fc.pre(new Set(quotients.map(([q]) => q)).size === quotients.length);
      assert.deepEqual(
        names.map((n) => Math.floor(n / 10)),
        order.map(([, p]) => p),
      );
    }),
  );
});

test('one seat more elects one candidate more, and turns nobody out', () => {
  fc.assert(
    fc.property(profiles(any), (profile) => {
      const more = elect({ ...profile, seats: profile.seats + 1 }).names;
      assert.deepEqual(elect(profile).names, more.slice(0, profile.seats));
    }),
  );
});

test('the order of the voters changes nothing', () => {
  fc.assert(
    fc.property(profiles(any), fc.infiniteStream(fc.nat()), (profile, keys) => {
      const drawn = [...keys.take(profile.votes.length)];
      const votes = profile.votes.map((vote, i) => [drawn[i] as number, vote] as const);
      votes.sort(([x], [y]) => x - y);
      const [one, other] = [elect(profile), elect({ ...profile, votes: votes.map(([, vote]) => vote) })];
      assert.deepEqual(other.rounds, one.rounds);
      assert.deepEqual(other.winners, one.winners);
      const sorted = (list: typeof one.stakes) => [...list].sort(([x], [y]) => Number(x) - Number(y));
      assert.deepEqual(sorted(other.stakes), sorted(one.stakes));
    }),
  );
});

test('all stakes times a number: the same winners in the same order, unless roundings decide', () => {
  fc.assert(
    fc.property(profiles(large), fc.bigInt(2n, 10n ** 6n), (profile, factor) => {
      fc.pre(!isClose(profile));
      const votes = profile.votes.map(([who, stake, approves]): Vote => [who, stake * factor, approves]);
      const names = elect({ ...profile, votes }).names;
      assert.deepEqual(names, elect(profile).names);
    }),
  );
});

test('voters without stake, and votes for who does not stand, change nothing', () => {
  fc.assert(
    fc.property(profiles(any), fc.nat(8), (profile, at) => {
      const votes: Vote[] = profile.votes.map(([who, stake, approves]) => [
        who,
        stake,
        approves.filter((n) => n !== 1_000),
      ]);
      votes.splice(at, 0, [9_000, 0n, profile.candidates], [9_001, UNIT, [4_000, 4_001]]);
      assert.deepEqual(elect({ ...profile, votes }), elect(profile));
    }),
  );
});

test('a round’s trace explains it: base and carried make the score, and nobody left had a lower one', () => {
  fc.assert(
    fc.property(profiles(any), (profile) => {
      for (const [i, round] of elect(profile).rounds.entries()) {
        const approving = profile.votes.filter(
          ([, stake, approves]) => stake > 0n && approves.includes(round.who.at(-1) as number),
        );
        assert.equal(round.supporters, approving.length);
        assert.equal(
          round.approval,
          approving.reduce((sum, [, stake]) => sum + stake, 0n),
        );
        if (round.score === undefined) {
          assert.deepEqual([round.approval, round.base, round.carried, round.stakePerSeat], [0n, 0n, 0n, 0n]);
          assert.equal(round.runnerUp?.score, undefined);
          continue;
        }
        const sum = round.base + round.carried;
        assert.equal(round.score, min(sum, WHOLE));
        assert.ok(round.runnerUp?.score === undefined || round.runnerUp.score >= round.score);
        assert.equal(round.runnerUp === undefined, i + 1 === profile.candidates.length);
        assert.ok(round.stakePerSeat <= round.approval);
      }
    }),
  );
});

// Bounds.

test('what is out of order is refused by name', () => {
  const refuses = (code: ElectionFault, profile: Partial<Profile>): void => {
    assert.throws(
      () => elect({ seats: 1, candidates: [1, 2], votes: [], ...profile }),
      (error) => error instanceof ElectionError && error.code === code,
      code,
    );
  };
  const many = (n: number) => Array.from({ length: n }, (_, i) => i);
  refuses('BadSeats', { seats: -1 });
  refuses('BadSeats', { seats: 1.5 });
  refuses('BadSeats', { seats: MAX_SEATS + 1 });
  refuses('TooManyCandidates', { candidates: many(MAX_CANDIDATES + 1) });
  refuses('TooManyVoters', { votes: many(MAX_VOTERS + 1).map((n): Vote => [n, 1n, [1]]) });
  refuses('TooManyApprovals', { votes: [[5, 1n, many(MAX_APPROVALS + 1)]] });
  refuses('DuplicateCandidate', { candidates: [1, 2, 1] });
  refuses('DuplicateVoter', {
    votes: [
      [5, 1n, [1]],
      [6, 1n, [1]],
      [5, 1n, [2]],
    ],
  });
  refuses('DuplicateApproval', { votes: [[5, 1n, [1, 2, 1]]] });
  refuses('DuplicateApproval', { votes: [[5, 1n, [1, 77, 77]]] });
  refuses('BadStake', { votes: [[5, -1n, [1]]] });
  refuses('BadStake', { votes: [[5, 2n ** 128n, [1]]] });
  refuses('TooMuchStake', {
    votes: [
      [5, MAX_STAKE, [1]],
      [6, 1n, [1]],
    ],
  });
});

test('what is at its bound is elected', () => {
  const candidates = Array.from({ length: MAX_CANDIDATES }, (_, i) => i);
  const approves = candidates.slice(0, MAX_APPROVALS);
  const half = MAX_STAKE / 2n;
  const { names } = elect({
    seats: MAX_SEATS,
    candidates,
    votes: [
      [9_000, half, approves],
      [9_001, half, [99]],
    ],
  });
  assert.deepEqual(names.slice(0, 2 + MAX_APPROVALS), [0, 99, ...approves.slice(1), 16]);
  assert.equal(names.length, MAX_SEATS);
});

test('nobody stands, or there are no seats: nobody is elected', () => {
  assert.deepEqual(elect({ seats: 5, candidates: [], votes: [[1, 1n, [2]]] }).winners, []);
  assert.deepEqual(elect({ seats: 0, candidates: [1], votes: [[1, 1n, [1]]] }).winners, []);
});

// Bags.

test('a higher bag holds only higher stakes, and no stake in a bag is more than 5/4 of another', () => {
  fc.assert(
    fc.property(fc.bigInt(1n, 2n ** 128n - 1n), fc.bigInt(1n, 2n ** 128n - 1n), (x, y) => {
      const [low, high] = x < y ? [x, y] : [y, x];
      assert.ok(bagOf(low) <= bagOf(high));
      if (bagOf(low) === bagOf(high)) assert.ok(4n * high <= 5n * low);
    }),
  );
  assert.equal(bagOf(0n), 0);
  assert.equal(bagOf(2n ** 128n - 1n), 512);
});

test('the richest voters are taken: who is left out has at most 5/4 of the stake of anybody who is taken', () => {
  fc.assert(
    fc.property(fc.array(any, { maxLength: 60 }), fc.nat(70), (stakes, limit) => {
      const voters = stakes.map((stake, who) => ({ who, stake }));
      const taken = richest(voters, limit);
      const backed = voters.filter(({ stake }) => stake > 0n);
      assert.equal(taken.length, Math.min(limit, backed.length));
      assert.equal(new Set(taken.map(({ who }) => who)).size, taken.length);
      for (const out of backed.filter((voter) => !taken.includes(voter))) {
        for (const one of taken) {
          assert.ok(4n * out.stake <= 5n * one.stake);
          if (bagOf(out.stake) === bagOf(one.stake)) assert.ok(one.who < out.who);
        }
      }
    }),
  );
});
