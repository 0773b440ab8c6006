import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PERBILL } from '../../src/base/fixed.ts';
import {
  authorPay,
  averageWork,
  capacityAfter,
  checkPrice,
  drawnSegments,
  nextRegistrationPrice,
  pots,
  REPUTATION_START,
  registrationDifficulty,
  release,
  reputationAfterFraud,
  reputationAfterTimeout,
  reputationAfterWork,
  score,
  share,
  shownCapacity,
  utilisation,
  workUnits,
} from '../../src/runtime/economy.ts';

const UNIT = 10n ** 12n;
const MAI_FACTOR = 364_652_699_800_105n;
const big = (maximum: bigint) => fc.bigInt(0n, maximum);

test('the first mai era releases 1,976.786246629891 tokens of a full pool (FEATURES.md 6.7)', () => {
  assert.equal(release(100_000_000n * UNIT, MAI_FACTOR, UNIT), 1_976_786_246_629_891n);
});

test('the published mai era pays three miners to the last unit (FEATURES.md 6.7)', () => {
  const released = release(100_000_000n * UNIT, MAI_FACTOR, UNIT);
  const { train } = pots(released, PERBILL, { train: 500_000_000n, authors: 0n, verify: 0n });
  assert.equal(train, 988_393_123_314_945n);
  const kappa = UNIT / 10n;
  const miner = (work: bigint, stake: bigint, reputation: bigint) =>
    score({ work, stake: stake * UNIT, kappa, betaPerbill: 250_000_000n, reputation, tier: PERBILL });
  const scores = [
    miner(600_000n, 0n, PERBILL),
    miner(300_000n, 30_000n, PERBILL),
    miner(100_000n, 1_000_000n, PERBILL / 2n),
  ];
  assert.deepEqual(scores, [600_000n, 375_000n, 62_500n]);
  const all = scores.reduce((a, b) => a + b);
  assert.deepEqual(
    scores.map((own) => share(train, own, all)),
    [571_600_842_399_004n, 357_250_526_499_377n, 59_541_754_416_562n],
  );
});

test('a pool that releases geometrically and then by its tail pays out whole and never more', () => {
  let pool = 1_000_000n * UNIT;
  let paid = 0n;
  let eras = 0;
  while (pool > 0n) {
    const out = release(pool, MAI_FACTOR * 500n, UNIT * 10n);
    pool -= out;
    paid += out;
    eras++;
    assert.ok(eras < 200_000);
  }
  assert.equal(paid, 1_000_000n * UNIT);
});

test('all shares of a pot sum to at most the pot', () => {
  fc.assert(
    fc.property(big(10n ** 30n), fc.array(big(10n ** 24n), { minLength: 1, maxLength: 40 }), (pot, owns) => {
      const all = owns.reduce((a, b) => a + b, 0n);
      assert.ok(owns.reduce((sum, own) => sum + share(pot, own, all), 0n) <= pot);
    }),
  );
});

test('splitting work and stake over two identities never scores more', () => {
  const arbitrary = fc.record({
    w1: big(10n ** 9n),
    w2: big(10n ** 9n),
    s1: big(10n ** 24n),
    s2: big(10n ** 24n),
    kappa: fc.bigInt(1n, 10n ** 13n),
    betaPerbill: big(PERBILL),
    reputation: fc.bigInt(REPUTATION_START, PERBILL),
  });
  fc.assert(
    fc.property(arbitrary, ({ w1, w2, s1, s2, ...rest }) => {
      const of = (work: bigint, stake: bigint) => score({ work, stake, tier: PERBILL, ...rest });
      assert.ok(of(w1, s1) + of(w2, s2) <= of(w1 + w2, s1 + s2));
    }),
  );
});

test('a staker without work scores nothing', () => {
  const stake = 10n ** 26n;
  assert.equal(score({ work: 0n, stake, kappa: 1n, betaPerbill: PERBILL, reputation: PERBILL, tier: PERBILL }), 0n);
});

test('utilisation is whole at the least work and beyond, and falls against half the average', () => {
  assert.equal(utilisation(1_400n, 1_400n, 0n), PERBILL);
  assert.equal(utilisation(9_999n, 1_400n, 0n), PERBILL);
  assert.equal(utilisation(700n, 1_400n, 0n), PERBILL / 2n);
  assert.equal(utilisation(1_400n, 1_400n, 5_600n), PERBILL / 2n);
});

test('the average of constant work approaches it and never passes it', () => {
  let average = 0n;
  for (let era = 0; era < 2_000; era++) average = averageWork(average, 1_000_000n);
  assert.ok(average > 999_000n && average <= 1_000_000n);
});

test('an author without full reputation leaves the rest in the pool', () => {
  assert.equal(authorPay(3_000n, 300, PERBILL / 4n), 2n);
  assert.equal(authorPay(3_000n, 300, PERBILL), 10n);
});

test('checking pays at most five quarters of mining for the same work', () => {
  assert.equal(checkPrice(10n ** 15n, 1n, 1_000n, 1_000n), (5n * PERBILL) / 4n);
  assert.equal(checkPrice(100n, 1_000n, 10n ** 15n, 1n), PERBILL / 10n);
  assert.equal(checkPrice(100n, 0n, 1n, 1n), 0n);
});

test('reputation stays between its floor and one, whatever happens', () => {
  const happening = fc.oneof(
    fc.record({ kind: fc.constant('work' as const), cu: big(10n ** 9n) }),
    fc.record({ kind: fc.constant('fraud' as const), cu: fc.constant(0n) }),
    fc.record({ kind: fc.constant('timeout' as const), cu: fc.constant(0n) }),
  );
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 100 }), (life) => {
      let reputation = REPUTATION_START;
      for (const { kind, cu } of life) {
        if (kind === 'work') reputation = reputationAfterWork(reputation, cu, 286n);
        else reputation = kind === 'fraud' ? reputationAfterFraud(reputation) : reputationAfterTimeout(reputation);
        assert.ok(reputation >= REPUTATION_START && reputation <= PERBILL);
      }
    }),
  );
});

test('one era of work moves reputation by at most ten fragments of it', () => {
  assert.equal(
    reputationAfterWork(REPUTATION_START, 10n ** 12n, 286n),
    reputationAfterWork(REPUTATION_START, 2_860n, 286n),
  );
});

test('the dev fragment is worth 285 whole CU, and nodes that fit no slab are worth none', () => {
  const linear: [number, number][] = [
    [256, 768],
    [256, 256],
    [256, 1024],
    [1024, 256],
  ];
  const layers = [...linear, ...linear, [256, 256] as [number, number]];
  const nodes = layers.flatMap(([k, n]) => [
    { m: 512, n, k },
    { m: 512, n: k, k: n },
    { m: k, n, k: 512 },
  ]);
  assert.equal(nodes.length, 27);
  assert.equal(workUnits(nodes, 256, 100), 285n);
  assert.equal(
    workUnits(
      [
        { m: 8, n: 16, k: 256 },
        { m: 16, n: 16, k: 300 },
      ],
      256,
      1_000_000,
    ),
    0n,
  );
});

test('a newcomer is drawn in 20, 10, 7, 5, 4, 4, 3, 3 of 20 segments', () => {
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5, 6, 7].map((accepted) => drawnSegments(accepted, 20)),
    [20, 10, 7, 5, 4, 4, 3, 3],
  );
});

test('the price of entry doubles at most with a rush and halves at most without', () => {
  assert.equal(nextRegistrationPrice(2_000_000n, 10_000, 125_000n), 4_000_000n);
  assert.equal(nextRegistrationPrice(2_000_000n, 240, 125_000n), 2_000_000n);
  assert.equal(nextRegistrationPrice(2_000_000n, 0, 125_000n), 1_000_000n);
  assert.equal(nextRegistrationPrice(125_000n, 0, 125_000n), 125_000n);
  assert.equal(registrationDifficulty(125_000n, 286n, 32n), 1_117_187_500n);
});

test('a registration shows at least the capacity of the blocks that it took', () => {
  const shown = (blocks: number) =>
    shownCapacity({ priceMillionths: 500_000n, referenceCu: 286n, eraBlocks: 20, blocks });
  // Half a reference fragment, 143 CU, within 10 blocks of an era of 20.
  assert.equal(shown(10), 286n);
  assert.equal(shown(0), shown(1));
  assert.equal(shownCapacity({ priceMillionths: 1n, referenceCu: 1n, eraBlocks: 1, blocks: 64 }), 1n);
});

test('capacity is the first era with work, then an average over all eras, idle ones too', () => {
  assert.equal(capacityAfter(1_000_000n, undefined, 286n), 286n, 'what was shown is replaced at once');
  assert.equal(capacityAfter(400n, 0, 800n), 500n);
  assert.equal(capacityAfter(400n, 1, 800n), 425n, 'an idle era counts as none');
  assert.equal(capacityAfter(400n, 1_000_000, 0n), 1n, 'never nothing, however long it was');
});
