import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromHex, littleEndian, toHex } from '../../../src/base/bytes.ts';
import { leafIndex, operandLeaves, operandRoot, panelOf } from '../../../src/compute/pouw/commitment.ts';
import { keystream } from '../../../src/compute/pouw/keystream.ts';
import {
  entryNoise,
  kappaOf,
  noisedPanel,
  noiseIndices,
  noiseLines,
  SIDE_A,
  SIDE_B,
  seedsOf,
} from '../../../src/compute/pouw/noise.ts';
import { buildOpening } from '../../../src/compute/pouw/opening.ts';
import { peeledProduct, plainProduct } from '../../../src/compute/pouw/product.ts';
import { checkShape, isWithin, PROFILES, ticketCount } from '../../../src/compute/pouw/profile.ts';
import { evaluateTicket, foldTile, hashFold, largestWinner, wins } from '../../../src/compute/pouw/ticket.ts';
import { sha256 } from '../../../src/crypto/hash.ts';
import { drawOperands, needsVectors, prepare, shapeOf, vectors } from './vectors.ts';

const hex = (bytes: Uint8Array | Int8Array): string =>
  toHex(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)).slice(2);

test('the keystream is ChaCha20 under a nonce that starts with the tag, wherever it is read', () => {
  const whole = keystream(new Uint8Array(32), 0, 0, 128);
  // RFC 8439, appendix A.1, test vector 1: all-zero key and nonce.
  assert.ok(hex(whole).startsWith('76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7'));
  assert.deepEqual(keystream(new Uint8Array(32), 0, 37, 70), whole.slice(37, 107));
  assert.notDeepEqual(keystream(new Uint8Array(32), 1, 0, 128), whole);
});

test('roots, seeds, noise, folds, tickets and openings are those of the shared vectors', needsVectors, () => {
  for (const one of vectors?.cases ?? []) {
    const { shape, header, a, b } = prepare(one);
    const { slab, rank } = shape.profile;
    const rootA = operandRoot(a, slab);
    const rootB = operandRoot(b, slab);
    assert.equal(hex(rootA), one.rootA, one.name);
    assert.equal(hex(rootB), one.rootB, one.name);
    const kappa = kappaOf(header, shape);
    assert.equal(hex(kappa), one.kappa);
    const seeds = seedsOf(kappa, rootA, rootB);
    assert.equal(hex(seeds.seedA), one.seedA);
    assert.equal(hex(seeds.seedB), one.seedB);
    assert.equal(hex(noiseLines(seeds.seedA, SIDE_A, 0, rank).subarray(0, rank)), one.lineA0);
    assert.equal(hex(noiseLines(seeds.seedB, SIDE_B, 0, rank).subarray(0, rank)), one.lineB0);
    const first = { from: 0, count: 4 };
    assert.deepEqual([...noiseIndices(seeds.seedA, SIDE_A, first, rank)], one.idxA0);
    assert.deepEqual([...noiseIndices(seeds.seedB, SIDE_B, first, rank)], one.idxB0);
    for (const tile of one.tiles) {
      const panelA = panelOf(a, tile.ti, tile.s, slab);
      const panelB = panelOf(b, tile.tj, tile.s, slab);
      const range = { from: tile.s * slab, count: slab };
      const linesA = noiseLines(seeds.seedA, SIDE_A, tile.ti, rank);
      const linesB = noiseLines(seeds.seedB, SIDE_B, tile.tj, rank);
      const fold = foldTile(
        noisedPanel(panelA, linesA, noiseIndices(seeds.seedA, SIDE_A, range, rank)),
        noisedPanel(panelB, linesB, noiseIndices(seeds.seedB, SIDE_B, range, rank)),
        rank,
      );
      assert.equal(toHex(new Uint8Array(fold.buffer)).slice(2), tile.fold);
      assert.equal(hex(hashFold(seeds.seedA, fold)), tile.ticket);
      const place = { ti: tile.ti, tj: tile.tj, s: tile.s };
      assert.equal(hex(evaluateTicket({ profile: shape.profile, seeds, place, panelA, panelB })), tile.ticket);
    }
    const { opening, ...best } = one.best;
    const built = buildOpening(a, b, shape, best);
    assert.equal(hex(operandLeaves(a, slab)[leafIndex(best.ti, best.s, shape.slabs)] as Uint8Array), opening.leafA);
    assert.equal(hex(operandLeaves(b, slab)[leafIndex(best.tj, best.s, shape.slabs)] as Uint8Array), opening.leafB);
    assert.deepEqual(built.pathA.map(hex), opening.pathA);
    assert.deepEqual(built.pathB.map(hex), opening.pathB);
  }
});

test('the peeled product is the product of the shared vectors', needsVectors, () => {
  for (const one of vectors?.cases ?? []) {
    const { shape, a, b } = prepare(one);
    const seeds = { seedA: fromHex(one.seedA), seedB: fromHex(one.seedB) };
    const product = peeledProduct(a, b, seeds, shape.profile);
    assert.equal(hex(sha256(new Uint8Array(product.buffer))), one.productSha256, one.name);
  }
});

test('the best ticket of a vector wins at its largest difficulty and loses one above', needsVectors, () => {
  for (const one of vectors?.cases ?? []) {
    const slab = shapeOf(one.profile, one).profile.slab;
    const { ti, tj, s } = one.best;
    const best = one.tiles.find((tile) => tile.ti === ti && tile.tj === tj && tile.s === s);
    assert.ok(best !== undefined);
    for (const { boostPpm, largestD } of one.best.wins) {
      const ticket = fromHex(best.ticket);
      const at = (difficulty: bigint) => ({ difficulty, slab, boostPpm: BigInt(boostPpm) });
      assert.ok(wins(ticket, at(BigInt(largestD))));
      assert.ok(!wins(ticket, at(BigInt(largestD) + 1n)));
    }
  }
  for (const tie of vectors?.tie ?? []) {
    const target = { difficulty: BigInt(tie.D), slab: tie.slab, boostPpm: BigInt(tie.boostPpm) };
    assert.equal(wins(fromHex(tie.ticket), target), tie.wins);
  }
});

test('a ticket wins if and only if it is not above the largest winner', () => {
  const ticket = fc.bigInt({ min: 0n, max: (1n << 256n) - 1n });
  fc.assert(
    fc.property(
      fc.bigInt({ min: 1n, max: 1n << 80n }),
      fc.constantFrom(256, 1024, 2048),
      fc.bigInt({ min: 1_000_000n, max: 1_500_000n }),
      ticket,
      (difficulty, slab, boostPpm, random) => {
        const target = { difficulty, slab, boostPpm };
        const largest = largestWinner(target);
        const value = BigInt(`0x${hex(largest.toReversed())}`);
        assert.ok(wins(largest, target));
        if (value < (1n << 256n) - 1n) assert.ok(!wins(littleEndian(value + 1n, 32), target));
        assert.equal(wins(littleEndian(random, 32), target), random <= value);
      },
    ),
  );
});

test('peeling the noise off gives the plain product, whatever the operands', () => {
  const draws = fc.constantFrom('random', 'signs', 'allMin', 'zero');
  fc.assert(
    fc.property(
      fc.constantFrom(0, 1, 2),
      draws,
      fc.nat(),
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      (id, draw, from, seed) => {
        const profile = PROFILES[id];
        assert.ok(profile !== undefined);
        const { a, b } = drawOperands({ m: 16, n: 32, k: profile.slab }, draw, from + 1);
        const seeds = { seedA: seed, seedB: seed.toReversed() };
        assert.deepEqual(peeledProduct(a, b, seeds, profile), plainProduct(a, b));
      },
    ),
    { numRuns: 12 },
  );
});

test('noise touches four different rows, and a noised operand fits a signed byte', () => {
  for (const { rank, slab } of PROFILES) {
    const indices = noiseIndices(new Uint8Array(32).fill(rank), SIDE_A, { from: 0, count: slab }, rank);
    for (let l = 0; l < slab; l++) {
      assert.equal(new Set(indices.subarray(4 * l, 4 * l + 4)).size, 4);
    }
    const least = entryNoise(Int8Array.of(-16, -16, 15, 15), Uint8Array.of(0, 1, 2, 3), 0);
    const most = entryNoise(Int8Array.of(15, 15, -16, -16), Uint8Array.of(0, 1, 2, 3), 0);
    assert.deepEqual([least - 64, most + 63], [-126, 125]);
  }
});

test('a shape is mined only in whole tiles, whole slabs and up to k = 4,096', () => {
  const code = (profile: number, m: number, n: number, k: number) => {
    const checked = checkShape(profile, { m, n, k });
    return checked.ok ? 'ok' : checked.code;
  };
  assert.equal(code(0, 16, 16, 256), 'ok');
  assert.equal(code(1, 512, 256, 4096), 'ok');
  assert.equal(code(3, 16, 16, 256), 'UnknownProfile');
  assert.equal(code(-1, 16, 16, 256), 'UnknownProfile');
  for (const [m, n, k] of [
    [0, 16, 256],
    [8, 16, 256],
    [16, 17, 256],
    [16, 16, 128],
    [16, 16, 4352],
    [16.5, 16, 256],
    [2 ** 32, 16, 256],
    [Number.NaN, 16, 256],
  ] as const) {
    assert.equal(code(0, m, n, k), 'BadShape');
  }
  const shape = shapeOf(0, { m: 32, n: 48, k: 512 });
  assert.equal(ticketCount(shape), 12);
  assert.ok(isWithin(shape, { ti: 1, tj: 2, s: 1 }));
  for (const place of [
    { ti: 2, tj: 2, s: 1 },
    { ti: 1, tj: 3, s: 1 },
    { ti: 1, tj: 2, s: 2 },
    { ti: -1, tj: 2, s: 1 },
    { ti: 0.5, tj: 2, s: 1 },
  ]) {
    assert.ok(!isWithin(shape, place));
  }
});
