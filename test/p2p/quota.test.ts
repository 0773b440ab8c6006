/** # Quota: over any time a key passes its rate and its burst, in whatever amounts it comes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Quota } from '../../src/p2p/quota.ts';

const RATE = { perSecond: 1_000, burst: 4_000 };

test('bytes that were had already are waited for, and nobody else waits for them', () => {
  const quota = new Quota();
  assert.equal(quota.take('a', RATE, 0, Number.POSITIVE_INFINITY, 4_000), 0);
  assert.equal(quota.take('a', RATE, 0, 2_000, 0), 0, 'the burst is had, nothing is owed');
  assert.equal(quota.take('a', RATE, 0, Number.POSITIVE_INFINITY, 1_500), 1_500);
  assert.equal(quota.take('a', RATE, 0, 2_000, 0), 1_500);
  assert.equal(quota.take('a', RATE, 0, 1_000, 0), Number.POSITIVE_INFINITY, 'beyond what is waited');
  assert.equal(quota.take('b', RATE, 0, 0, 4_000), 0);
  assert.equal(quota.take('a', RATE, 1_500, 2_000, 0), 0);
});

test('whoever waits as he is told never has more than his rate and his burst', () => {
  const asks = fc.array(fc.record({ pause: fc.nat(3_000), count: fc.integer({ min: 1, max: 6_000 }) }), {
    maxLength: 30,
  });
  fc.assert(
    fc.property(asks, (list) => {
      const quota = new Quota();
      let now = 0;
      let had = 0;
      for (const { pause, count } of list) {
        now += pause;
        now += quota.take('a', RATE, now, Number.POSITIVE_INFINITY, 0);
        // An answer is had whole: the last one may be ahead of the rate.
        assert.ok(had <= RATE.burst + (now * RATE.perSecond) / 1_000 + 1e-6);
        quota.take('a', RATE, now, Number.POSITIVE_INFINITY, count);
        had += count;
      }
    }),
  );
});
