/** # Difficulty: the schedule against exact figures, its properties, and what it does to a chain of random blocks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  childDifficulty,
  type DifficultyParent,
  type DifficultyRules,
  LEAST_DIFFICULTY,
  lowerBound,
} from '../../src/consensus/difficulty.ts';
import { absorbed, aheadShare, bias, hop, simulate, spread, stampedAhead } from '../economics/asert.ts';
import { mean } from '../economics/dice.ts';

const T = 3_000;
const INITIAL = 60_000_000_000n;
const RULES: DifficultyRules = { initial: INITIAL, blockTimeMs: T };
const GENESIS: DifficultyParent = { number: 0, timestamp: 0, anchor: undefined };
const START = 1_700_000_000_000;

/** A parent `dh` blocks and `dt` ms behind an anchor at START. */
function parentAt(dh: number, dt: number, difficulty = INITIAL): DifficultyParent {
  return { number: 1 + dh, timestamp: START + dt, anchor: { number: 1, timestamp: START, difficulty } };
}

/** The page's formula, transcribed on its own: 2^-(late/halfLife) of `d`. */
function reference(d: bigint, late: bigint, halfLife: bigint): bigint {
  let e = (late * 65536n) / halfLife;
  if ((late * 65536n) % halfLife < 0n) e -= 1n;
  const frac = BigInt.asUintN(16, e);
  const shift = Number((e - frac) / 65536n);
  const sum = 195766423245049n * frac + 971821376n * frac ** 2n + 5127n * frac ** 3n + 2n ** 47n;
  const factor = 65536n + sum / 2n ** 48n;
  const scaled = (d * 65536n) / factor;
  const out = shift < 0 ? scaled * 2n ** BigInt(-shift) : scaled / 2n ** BigInt(shift);
  return out > 2n ** 20n ? out : 2n ** 20n;
}

test('block 1 has exactly the initial difficulty, however late it comes', () => {
  for (const timestamp of [1, START, START * 2]) {
    assert.deepEqual(childDifficulty(RULES, GENESIS, timestamp), {
      difficulty: INITIAL,
      anchor: { number: 1, timestamp, difficulty: INITIAL },
    });
  }
});

test('a chain on schedule keeps its difficulty, a half-life late it has half, a half-life early twice', () => {
  const cases: [number, number, bigint][] = [
    [10, 10 * T, INITIAL],
    [10, 60 * T, INITIAL / 2n],
    [60, 10 * T, INITIAL * 2n],
    [110, 10 * T, INITIAL * 4n],
    // floor((1 ms) * 65536 / 150000) = 0 and floor(-1 * ...) = -1: rounding is toward minus infinity.
    [10, 10 * T + 1, INITIAL],
    [10, 10 * T - 1, reference(INITIAL, -1n, 50n * BigInt(T))],
  ];
  for (const [dh, dt, expected] of cases) {
    const parent = parentAt(dh, dt);
    assert.equal(childDifficulty(RULES, parent, parent.timestamp + T).difficulty, expected, `${dh} ${dt}`);
  }
});

test('the cubic stays within 0.02 % of the true power of two', () => {
  for (let dt = 0; dt <= 100 * T; dt += 997) {
    const parent = parentAt(0, dt, 1n << 60n);
    const got = Number(childDifficulty(RULES, parent, parent.timestamp + 1).difficulty);
    const exact = 2 ** (60 - dt / (50 * T));
    assert.ok(Math.abs(got / exact - 1) < 2e-4, `${dt}: ${got} against ${exact}`);
  }
});

test('the parent becomes the anchor beyond two half-lives, with the difficulty of its child before relief', () => {
  const inside = parentAt(0, 100 * T);
  assert.deepEqual(childDifficulty(RULES, inside, inside.timestamp + T).anchor, inside.anchor);
  const beyond = parentAt(0, 100 * T + 1);
  const child = childDifficulty(RULES, beyond, beyond.timestamp + 9 * T);
  const scheduled = reference(INITIAL, BigInt(100 * T + 1), 50n * BigInt(T));
  assert.equal(child.difficulty, reference(scheduled, 3n * BigInt(T), 3n * BigInt(T)));
  assert.deepEqual(child.anchor, { number: 1, timestamp: beyond.timestamp, difficulty: scheduled });
  const early = parentAt(101, 0);
  assert.equal(childDifficulty(RULES, early, early.timestamp + 1).anchor.number, 102);
});

test('relief begins after 6 T and halves the difficulty every 3 T, for that block alone', () => {
  const parent = parentAt(10, 10 * T);
  const at = (gap: number) => childDifficulty(RULES, parent, parent.timestamp + gap);
  assert.equal(at(6 * T).difficulty, INITIAL);
  assert.equal(at(9 * T).difficulty, INITIAL / 2n);
  assert.equal(at(12 * T).difficulty, INITIAL / 4n);
  assert.deepEqual(at(12 * T).anchor, parent.anchor);
});

test('after a pause of more than 32 T the child is the anchor, with at least half the difficulty', () => {
  const parent = parentAt(10, 10 * T);
  assert.deepEqual(childDifficulty(RULES, parent, parent.timestamp + 32 * T).anchor, parent.anchor);
  const timestamp = parent.timestamp + 1_200 * T;
  const child = childDifficulty(RULES, parent, timestamp);
  assert.equal(child.difficulty, LEAST_DIFFICULTY);
  assert.deepEqual(child.anchor, { number: 12, timestamp, difficulty: INITIAL / 2n });
  const next = childDifficulty(RULES, { number: 12, timestamp, anchor: child.anchor }, timestamp + T);
  assert.equal(next.difficulty, INITIAL / 2n);
});

test('whatever the clocks say, the result is the transcribed formula and never below the least', () => {
  fc.assert(
    fc.property(
      fc.bigInt(1n << 20n, 1n << 90n),
      fc.integer({ min: 0, max: 5_000 }),
      fc.integer({ min: 0, max: 5_000 * T }),
      fc.integer({ min: 1, max: 200 * T }),
      (difficulty, dh, dt, gap) => {
        const parent = parentAt(dh, dt, difficulty);
        const child = childDifficulty(RULES, parent, parent.timestamp + gap);
        const scheduled = reference(difficulty, BigInt(dt - T * dh), 50n * BigInt(T));
        const excess = BigInt(gap - 6 * T);
        const expected = excess > 0n ? reference(scheduled, excess, 3n * BigInt(T)) : scheduled;
        assert.equal(child.difficulty, expected);
        assert.ok(child.difficulty >= LEAST_DIFFICULTY);
      },
    ),
  );
});

test('a later timestamp never makes a block harder, and no descendant falls below the lower bound', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 60 * T }), { minLength: 2, maxLength: 40 }),
      fc.bigInt(1n << 24n, 1n << 70n),
      (gaps, difficulty) => {
        const first = parentAt(5, 5 * T, difficulty);
        const latest = gaps.reduce((sum, gap) => sum + gap, first.timestamp);
        const bound = lowerBound(RULES, first, latest);
        let parent = first;
        for (const gap of gaps) {
          const timestamp = parent.timestamp + gap;
          const child = childDifficulty(RULES, parent, timestamp);
          assert.ok(childDifficulty(RULES, parent, timestamp + T).difficulty <= child.difficulty);
          assert.ok(child.difficulty >= bound, 'a descendant below the bound');
          parent = { number: parent.number + 1, timestamp, anchor: child.anchor };
        }
      },
    ),
  );
});

test('at constant power the difficulty spreads by 7 to 10 % and the block time has no bias (claimed: 8.5 %, 0)', () => {
  const d = spread(1, 12_000);
  assert.ok(d > 0.07 && d < 0.1, `spread ${d}`);
  const off = bias(1, 12_000);
  assert.ok(Math.abs(off) < 0.005, `bias ${off}`);
});

test('ten times the power is absorbed in about 100 T, a tenth of it in about 251 T', () => {
  const up = [1, 2, 3, 4].map((seed) => absorbed(seed, 10));
  const down = [1, 2, 3, 4].map((seed) => absorbed(seed, 0.1));
  assert.ok(Math.abs(mean(up) - 100) < 30, `x10 took ${up.join(' ')} T`);
  assert.ok(Math.abs(mean(down) - 251) < 50, `/10 took ${down.join(' ')} T`);
});

test('when 90 % of the power leaves, no gap is longer than 20 T; when 99 % leaves, none is longer than 40 T', () => {
  for (const [left, longest] of [
    [0.1, 20],
    [0.01, 40],
  ] as const) {
    const run = simulate(7, 1_000, (time) => (time < 300 ? 1 : left));
    const gap = Math.max(...run.map((sample) => sample.gap));
    assert.ok(gap < longest, `${left}: ${gap} T`);
  }
});

test('power that comes a hundredfold and leaves again neither sticks the chain nor makes it swing', () => {
  const run = simulate(3, 4_000, (time) => (time > 400 && time < 800 ? 100 : 1));
  const late = run.filter((sample) => sample.time > 1_800);
  assert.ok(late.length > 300);
  const difficulties = late.filter((sample) => sample.gap < 6).map((sample) => sample.difficulty);
  assert.ok(Math.max(...difficulties) < 2 && Math.min(...difficulties) > 0.5);
});

test('stamping blocks 15 s ahead changes the number of blocks by at most 0.1 %', () => {
  const change = stampedAhead(11, 24_000);
  assert.ok(Math.abs(change) < 0.001, `${change}`);
});

test('a miner who stamps all of his blocks 15 s ahead earns at most 1 % more at 12 s a block, 6 % at 3 s', () => {
  for (const [blockTimeMs, most] of [
    [12_000, 1.01],
    [3_000, 1.06],
  ] as const) {
    const share = aheadShare(1, 10_000, 0.1, blockTimeMs);
    assert.ok(share / 0.1 < most && share > 0.1, `${blockTimeMs} ms: ${share}`);
  }
});

test('a miner who works only while the difficulty is low gains less than 5 % a unit of work, however large he is', () => {
  // Alone the others would settle at D = 1; all together at 2, or at 10.
  for (const [times, until] of [
    [2, 1.5],
    [10, 1.2],
    [10, 3.2],
  ] as const) {
    const { gain, there, longestGap } = hop(5, 12_000, { times, until });
    assert.ok(there > 0.1 && there < 0.9, 'the hopper comes and goes');
    assert.ok(gain < 0.05, `x${times} until ${until}: gain ${gain}`);
    assert.ok(longestGap < 20, `a gap of ${longestGap} T`);
  }
});
