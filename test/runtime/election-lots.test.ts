/** # Lots: how many seats may fall by lot, and who gets them; the pallet's use of both is in stake/lots.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { toHex } from '../../src/base/bytes.ts';
import { drawLots, lotSeed, mostLots } from '../../src/runtime/election/lots.ts';
import { account } from './election-oracle.ts';

const BEACON = new Uint8Array(32).fill(7);
const urn = (size: number) => Array.from({ length: size }, (_, n) => account(n));

test('seats by lot stay below a third of those taken, and nothing but the third holds one back', () => {
  fc.assert(
    fc.property(fc.nat(10_000), (voted) => {
      const lots = mostLots(voted);
      assert.ok(lots === 0 || 3 * lots < voted + lots);
      assert.ok(3 * (lots + 1) >= voted + lots + 1);
    }),
  );
  assert.deepEqual([0, 1, 2, 3, 4, 5, 21].map(mostLots), [0, 0, 0, 1, 1, 2, 10]);
});

test('a lot draws as many as are asked for and there, none twice', () => {
  fc.assert(
    fc.property(fc.nat(60), fc.nat(40), fc.nat(1_000), (size, count, era) => {
      const drawn = drawLots(urn(size), count, lotSeed(BEACON, era)).map(toHex);
      assert.equal(drawn.length, Math.min(size, count));
      assert.equal(new Set(drawn).size, drawn.length);
      const all = new Set(urn(size).map(toHex));
      assert.ok(drawn.every((who) => all.has(who)));
    }),
  );
});

test('the beacon and the era decide the lot, and every loser is drawn about as often as the others', () => {
  const times = new Map<string, number>();
  const eras = 600;
  for (let era = 0; era < eras; era++) {
    for (const who of drawLots(urn(19), 6, lotSeed(BEACON, era)))
      times.set(toHex(who), (times.get(toHex(who)) ?? 0) + 1);
  }
  // 6/19 of 600 are 189; the standard deviation is 11.4. The seeds are fixed, so this is no matter of luck.
  assert.equal(times.size, 19);
  for (const count of times.values()) assert.ok(Math.abs(count - (eras * 6) / 19) < 46, `${count}`);
  assert.notDeepEqual(lotSeed(BEACON, 1), lotSeed(BEACON, 2));
  assert.notDeepEqual(lotSeed(BEACON, 1), lotSeed(new Uint8Array(32), 1));
});
