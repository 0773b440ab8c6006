/** # Election terms: what is counted in limbs is what dividing gives, to the last unit. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MAX_STAKE } from '../../src/runtime/election/ballots.ts';
import { normalise } from '../../src/runtime/election/normalise.ts';
import { WHOLE } from '../../src/runtime/election/phragmen.ts';
import { Terms } from '../../src/runtime/election/terms.ts';

/** Of every size, and next to powers of two, where limbs end. */
const sized = (bits: number, most: bigint): fc.Arbitrary<bigint> =>
  fc
    .tuple(
      fc.integer({ min: 0, max: bits }),
      fc.bigInt(0n, most),
      fc.constantFrom('any', 'edge'),
      fc.integer({ min: -2, max: 2 }),
    )
    .map(([size, any, kind, off]) => (kind === 'any' ? any >> BigInt(size) : (1n << BigInt(size)) + BigInt(off)))
    .map((value) => (value < 1n ? 1n : value > most ? most : value));

test('a term is floor(score * stake / approval), and a sum that of its terms, whatever was there before', () => {
  const scores = fc.array(fc.oneof(sized(128, WHOLE), fc.constant(0n)), { minLength: 1, maxLength: 4 });
  const stakes = fc.array(sized(96, MAX_STAKE), { minLength: 1, maxLength: 6 });
  // More than its voters' stakes: those of others that are not put here.
  const beyond = fc.array(fc.oneof(fc.constant(0n), sized(96, MAX_STAKE)), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(stakes, beyond, scores, (given, others, rounds) => {
      const approval = others.map((other) => given.reduce((sum, stake) => sum + stake, other));
      fc.pre(approval.every((all) => all <= 2n * MAX_STAKE));
      const terms = new Terms(given, approval, given.length * approval.length);
      const expected = new Map<number, bigint>();
      for (const [round, score] of rounds.entries()) {
        terms.begin(score);
        for (const [ballot, stake] of given.entries()) {
          // Some terms stay those of an earlier round.
          if ((ballot + round) % 3 === 2) continue;
          for (const [candidate, all] of approval.entries()) {
            const place = candidate * given.length + ballot;
            terms.put(place, ballot, candidate);
            expected.set(place, (score * stake) / all);
          }
        }
        for (const candidate of approval.keys()) {
          const own = given.map((_, ballot) => expected.get(candidate * given.length + ballot) ?? 0n);
          assert.equal(
            terms.sum(candidate),
            own.reduce((sum, term) => sum + term, 0n),
          );
        }
      }
    }),
    { numRuns: 2_000 },
  );
});

test('a voter who alone approves carries the whole score, however far the quotient is rounded', () => {
  // 1/3, 1/7, ... of a score have no end in limbs. Beside him stands the largest stake there may be, or none.
  for (const stake of [1n, 2n, 3n, 7n, 10n, 2n ** 61n - 1n, 3n ** 55n, MAX_STAKE]) {
    for (const score of [1n, 2n ** 64n, 2n ** 64n - 1n, WHOLE]) {
      for (const beside of [[], [MAX_STAKE]]) {
        const terms = new Terms([stake, ...beside], [stake], 1);
        terms.begin(score);
        terms.put(0, 0, 0);
        assert.equal(terms.sum(0), score);
      }
    }
  }
});

/** As sp_arithmetic::normalize says it for what is too little: shares, then one by one, to the smallest first. */
function raised(parts: readonly bigint[], target: bigint): bigint[] {
  const out = [...parts];
  const order = parts
    .map((part, i) => ({ part, i }))
    .sort((a, b) => (a.part < b.part ? -1 : a.part > b.part ? 1 : a.i - b.i));
  const [count, level] = [BigInt(parts.length), target / BigInt(parts.length)];
  let left = target - parts.reduce((sum, part) => sum + part, 0n);
  const each = left / count;
  let turn = 0;
  const give = (gift: bigint): void => {
    const { i } = order[turn] as { i: number };
    out[i] = (out[i] as bigint) + gift;
    left -= gift;
    if ((out[i] as bigint) >= level) turn = (turn + 1) % order.length;
  };
  if (each > 0n) for (const _ of order) give(each);
  while (left > 0n) give(1n);
  return out;
}

test('the short way to mend a few units gives them to whom the long way does', () => {
  const parts = fc.array(fc.oneof(fc.bigInt(0n, 5n), fc.bigInt(10n ** 9n, 10n ** 9n + 9n)), {
    minLength: 1,
    maxLength: 16,
  });
  fc.assert(
    fc.property(parts, fc.nat(40), (given, lack) => {
      const target = given.reduce((sum, part) => sum + part, BigInt(lack));
      assert.deepEqual(normalise(given, target), raised(given, target));
    }),
    { numRuns: 1_000 },
  );
});
