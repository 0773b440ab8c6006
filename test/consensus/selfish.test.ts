/** # Selfish: what withholding blocks earns under this fork choice, against Eyal and Sirer's closed form. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Contest, effectiveShare, eyalSirer, withhold } from '../economics/selfish.ts';

const PLAIN = { gamma: 0, boost: 1, asert: false, seed: 17, blocks: 100_000 } satisfies Partial<Contest>;

test('at equal difficulty a withholder earns what Eyal and Sirer compute, for his share of all chances', () => {
  for (const boost of [1, 1.5]) {
    for (const [alpha, gamma] of [
      [0.1, 0],
      [0.25, 0.5],
      [0.3, 1],
      [0.35, 0],
    ] as const) {
      const { share, standardError } = withhold({ ...PLAIN, alpha, gamma, boost });
      const expected = eyalSirer(effectiveShare(alpha, boost), gamma);
      const off = `${alpha} of the work, gamma ${gamma}, boost ${boost}: ${share} instead of ${expected}`;
      assert.ok(Math.abs(share - expected) < 4 * standardError, off);
    }
  }
});

test('under our difficulty nobody gains by withholding with less than a third of all chances, seen second', () => {
  for (const [alpha, boost] of [
    [0.1, 1],
    [0.2, 1],
    [0.3, 1],
    [0.1, 1.5],
    [0.2, 1.5],
  ] as const) {
    const { share } = withhold({ ...PLAIN, asert: true, alpha, boost });
    const honest = effectiveShare(alpha, boost);
    assert.ok(honest < 1 / 3 && share < honest, `${alpha} boosted ${boost} earns ${share}, honestly ${honest}`);
  }
});

test('a withholder does not slow the chain: lost blocks lower the difficulty', () => {
  const { blockTime } = withhold({ ...PLAIN, asert: true, alpha: 0.4 });
  assert.ok(Math.abs(blockTime - 1) < 0.01, `${blockTime} T`);
});

test('with more than a third it pays, and a quarter boosted to more than a third is enough', () => {
  for (const [alpha, boost] of [
    [0.42, 1],
    [0.28, 1.5],
  ] as const) {
    const honest = effectiveShare(alpha, boost);
    assert.ok(withhold({ ...PLAIN, asert: true, alpha, boost }).share > honest);
  }
});
