import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { compare, fromHex, toHex } from '../../../src/base/bytes.ts';
import { igemmScratch } from '../../../src/compute/canonical/kernels.ts';
import { instantiateKernels } from '../../../src/compute/canonical/wasm.ts';
import { merkleLeaf, merkleRoot } from '../../../src/compute/merkle.ts';
import { pouwCalls } from '../../../src/compute/pouw/calls.ts';
import { type Operand, operandRoot, panelOf } from '../../../src/compute/pouw/commitment.ts';
import { keystream } from '../../../src/compute/pouw/keystream.ts';
import { fasterLeafHash, LEAF_HASH_SCRATCH } from '../../../src/compute/pouw/leaf-hash.ts';
import { MAX_WINNERS, type Mined, MinedGemm, minedScratch } from '../../../src/compute/pouw/miner-gemm.ts';
import {
  kappaOf,
  type NoiseHeader,
  noiseIndices,
  noiseLines,
  type Seeds,
  SIDE_A,
  SIDE_B,
  seedsOf,
} from '../../../src/compute/pouw/noise.ts';
import { encodeOpening } from '../../../src/compute/pouw/opening.ts';
import { plainProduct } from '../../../src/compute/pouw/product.ts';
import { PROFILES, type Shape, ticketCount } from '../../../src/compute/pouw/profile.ts';
import { evaluateTicket, type Target, wins } from '../../../src/compute/pouw/ticket.ts';
import { ticketKernel } from '../../../src/compute/pouw/ticket-kernel.ts';
import { verifyTicket } from '../../../src/compute/pouw/verify.ts';
import { sha256 } from '../../../src/crypto/hash.ts';
import { type Draw, drawOperands, needsVectors, prepare, shapeOf, vectors } from './vectors.ts';

const BASE = 65_536;
const module = readFileSync(join(import.meta.dirname, '../../../src/compute/kernels/kernels.wasm'));
const kernels = instantiateKernels(module, 1);
const calls = pouwCalls(kernels.exports);
const hex = (bytes: Uint8Array): string => toHex(bytes).slice(2);
const align = (bytes: number): number => Math.ceil(bytes / 64) * 64;

/** Every ticket wins at difficulty 1. */
const EASIEST = { difficulty: 1n, slab: 256, boostPpm: 1_000_000n };
const header: NoiseHeader = {
  preHash: new Uint8Array(32).fill(1),
  author: new Uint8Array(32).fill(2),
  fragment: new Uint8Array(32).fill(3),
  step: 9,
  node: 4,
};

interface Case {
  readonly shape: Shape;
  readonly a: Operand;
  readonly b: Operand;
  readonly header: NoiseHeader;
  readonly target: Target;
}

/** The first byte beyond the operands and the product of `mine`. */
function scratchOf({ m, n, k }: { m: number; n: number; k: number }): number {
  return align(align(align(BASE + m * k) + n * k) + 4 * m * n);
}

/** Mines a case from the first free page; the product comes back as int32. */
function mine(one: Case, hash?: (bytes: Uint8Array) => Uint8Array): Mined & { product: Int32Array } {
  const { shape, a, b } = one;
  const qA = BASE;
  const qBT = align(qA + a.data.length);
  const out = align(qBT + b.data.length);
  const scratch = scratchOf(shape);
  kernels.grow(scratch + minedScratch(shape));
  kernels.i8.set(a.data, qA);
  kernels.i8.set(b.data, qBT);
  const gemm = new MinedGemm(kernels, scratch, hash);
  const mined = gemm.run({ ...one, qA, qBT, sA: 0, sB: 0, out });
  return { ...mined, product: kernels.i32.slice(out / 4, out / 4 + shape.m * shape.n) };
}

/** Every ticket of a case by the reference, in order ti, tj, s. */
function referenceTickets(one: Omit<Case, 'target'>, seeds: Seeds) {
  const { shape, a, b } = one;
  const { profile, slabs } = shape;
  return Array.from({ length: ticketCount(shape) }, (_, index) => {
    const s = index % slabs;
    const tile = Math.floor(index / slabs);
    const place = { ti: Math.floor(tile / (shape.n / 16)), tj: tile % (shape.n / 16), s };
    const panelA = panelOf(a, place.ti, s, profile.slab);
    const panelB = panelOf(b, place.tj, s, profile.slab);
    return { ...place, ticket: evaluateTicket({ profile, seeds, place, panelA, panelB }) };
  });
}

test('the kernels answer every shared vector: roots, tickets, product, largest difficulty', needsVectors, () => {
  const evaluate = ticketKernel(kernels, BASE);
  for (const vector of vectors?.cases ?? []) {
    const one = prepare(vector);
    const { slab } = one.shape.profile;
    const { ti, tj, s } = vector.best;
    const bestTicket = vector.tiles.find((tile) => tile.ti === ti && tile.tj === tj && tile.s === s)?.ticket;
    for (const { boostPpm, largestD } of vector.best.wins) {
      const target = { difficulty: BigInt(largestD), slab, boostPpm: BigInt(boostPpm) };
      const mined = mine({ ...one, target });
      assert.deepEqual([hex(mined.rootA), hex(mined.rootB)], [vector.rootA, vector.rootB]);
      assert.equal(hex(sha256(new Uint8Array(mined.product.buffer))), vector.productSha256, vector.name);
      // Where the listed tiles are a sample, others may be luckier; the best listed one wins, and loses one above.
      if (vector.tiles.length === mined.tickets) {
        assert.deepEqual({ ...mined.best, ticket: hex(mined.best.ticket) }, { ti, tj, s, ticket: bestTicket });
        assert.deepEqual(mined.winners, [mined.best]);
      }
      const harder = mine({ ...one, target: { ...target, difficulty: BigInt(largestD) + 1n } });
      assert.equal(harder.wins, mined.wins - 1);
    }
    const seeds = { seedA: fromHex(vector.seedA), seedB: fromHex(vector.seedB) };
    for (const tile of vector.tiles) {
      const place = { ti: tile.ti, tj: tile.tj, s: tile.s };
      const panelA = panelOf(one.a, tile.ti, tile.s, slab);
      const panelB = panelOf(one.b, tile.tj, tile.s, slab);
      assert.equal(hex(evaluate({ profile: one.shape.profile, seeds, place, panelA, panelB })), tile.ticket);
    }
  }
});

test('noise, hashes and trees in the kernels are those of the reference', () => {
  const seed = Uint8Array.from({ length: 32 }, (_, i) => 7 * i + 1);
  const at = BASE + 64;
  const out = BASE + 4096;
  const raw = out + 65_536;
  kernels.grow(raw + 65_536);
  kernels.u8.set(seed, at);
  for (const { rank, slab } of PROFILES) {
    calls.pouwKeystream(out, at, 9, 5, 1000);
    assert.deepEqual(kernels.u8.slice(out, out + 1000), keystream(seed, 9, 320, 1000));
    calls.pouwLines(out, raw, at, SIDE_B.lineTag, 32, 32, rank);
    const lines = [2, 3].flatMap((block) => {
      const plain = noiseLines(seed, SIDE_B, block, rank);
      return Array.from({ length: 16 * rank }, (_, e) => plain[(e % 16) * rank + (e >> 4)] as number);
    });
    assert.deepEqual([...kernels.i8.subarray(out, out + 32 * rank)], lines);
    calls.pouwIndices(out, raw, at, SIDE_A.indexTag, slab, slab, rank);
    const indices = new Uint16Array(kernels.buffer as ArrayBuffer, out, 4 * slab);
    const plain = noiseIndices(seed, SIDE_A, { from: slab, count: slab }, rank);
    assert.deepEqual(
      [...indices],
      [...plain].map((index) => 16 * index),
    );
  }
  for (let count = 1; count <= 21; count++) {
    const leaves = Array.from({ length: count }, (_, i) => merkleLeaf(Uint8Array.of(count, i)));
    leaves.forEach((leaf, i) => void kernels.u8.set(leaf, out + 32 * i));
    calls.pouwRoot(out, count);
    assert.equal(hex(kernels.u8.slice(out, out + 32)), hex(merkleRoot(leaves)));
  }
});

test('the kernels mine what the reference mines, whatever shape and operands', () => {
  const draws = fc.constantFrom<Draw>('random', 'signs', 'allMin', 'zero');
  const size = fc.record({ m: fc.integer({ min: 1, max: 6 }), n: fc.integer({ min: 1, max: 4 }), slabs: fc.nat(2) });
  fc.assert(
    fc.property(fc.constantFrom(0, 0, 1, 2), size, draws, fc.nat(), fc.nat(0xffff), (id, tiles, draw, from, step) => {
      const slab = PROFILES[id]?.slab as number;
      const dimensions = { m: 16 * tiles.m, n: 16 * tiles.n, k: slab * (id === 2 ? 1 : tiles.slabs + 1) };
      const shape = shapeOf(id, dimensions);
      const operands = drawOperands(dimensions, draw, from + 1);
      const rootA = operandRoot(operands.a, slab);
      const rootB = operandRoot(operands.b, slab);
      const bound = { ...header, step };
      const seeds = seedsOf(kappaOf(bound, shape), rootA, rootB);
      const one = { shape, ...operands, header: bound };
      const tickets = referenceTickets(one, seeds);
      const target = { difficulty: 300n, slab, boostPpm: 1_000_000n };
      const mined = mine({ ...one, target });
      assert.deepEqual([mined.rootA, mined.rootB], [rootA, rootB]);
      assert.deepEqual(mined.product, plainProduct(operands.a, operands.b));
      assert.equal(mined.tickets, tickets.length);
      const winners = tickets.filter(({ ticket }) => wins(ticket, target));
      assert.equal(mined.wins, winners.length);
      assert.deepEqual(mined.winners, winners.slice(0, MAX_WINNERS));
      const lowest = tickets.toSorted((x, y) =>
        compare(x.ticket.toReversed(), y.ticket.toReversed()) < 0 ? -1 : 1,
      )[0];
      assert.deepEqual(mined.best, lowest);
    }),
    { numRuns: 25 },
  );
});

test('a target that everything reaches is reached by everything, and lists the first winners only', () => {
  const size = { m: 80, n: 48, k: 256 };
  const mined = mine({ shape: shapeOf(0, size), ...drawOperands(size, 'random'), header, target: EASIEST });
  assert.equal(mined.wins, 15);
  assert.deepEqual(
    mined.winners.map(({ ti, tj }) => [ti, tj]),
    Array.from({ length: 15 }, (_, i) => [Math.floor(i / 3), i % 3]),
  );
  const more = { m: 80, n: 64, k: 256 };
  const crowded = mine({ shape: shapeOf(0, more), ...drawOperands(more, 'random'), header, target: EASIEST });
  assert.deepEqual([crowded.wins, crowded.winners.length], [20, MAX_WINNERS]);
});

test('the peel is exact where its sums could leave 16 bits', () => {
  // Every position has its entries in the same four ranks: 512 of them would leave 16 bits, 256 do not.
  kernels.grow(BASE + 65_536);
  const indices = new Uint16Array(kernels.buffer as ArrayBuffer, BASE, 4 * 4096);
  indices.set(Array.from({ length: indices.length }, (_, e) => 16 * (e % 4)));
  assert.equal(calls.pouwPart(BASE, BASE, 256, 64), 256);
  assert.equal(calls.pouwPart(BASE, BASE, 768, 64), 256);
  assert.equal(calls.pouwPart(BASE, BASE, 4096, 64), 256);
  indices.set(Array.from({ length: indices.length }, (_, e) => 16 * (4 * ((e >> 2) % 16) + (e % 4))));
  assert.equal(calls.pouwPart(BASE, BASE, 4096, 64), 4096);
  indices.set(Array.from({ length: indices.length }, (_, e) => 16 * (4 * ((e >> 2) % 15) + (e % 4))));
  assert.equal(calls.pouwPart(BASE, BASE, 4096, 64), 2048);
  // At k = 4,096 and rank 64 a rank has about 256 entries of E_R: a peel in one part would not be provably exact.
  for (const draw of ['allMin', 'signs', 'random'] as const) {
    const size = { m: 16, n: 32, k: 4096 };
    const operands = drawOperands(size, draw);
    const mined = mine({ shape: shapeOf(0, size), ...operands, header, target: EASIEST });
    assert.deepEqual(mined.product, plainProduct(operands.a, operands.b));
  }
});

test('a mined product has the bits of the plain one: f32, scaled as the engine scales', () => {
  const { m, n, k } = { m: 48, n: 80, k: 512 };
  const shape = shapeOf(0, { m, n, k });
  const { a, b } = drawOperands({ m, n, k }, 'random');
  const places = { qA: BASE, qBT: 0, sA: 0, sB: 0, out: 0 };
  places.qBT = places.qA + m * k;
  places.sA = places.qBT + n * k;
  places.sB = places.sA + 4 * m;
  places.out = places.sB + 4 * n;
  const plain = places.out + 4 * m * n;
  const scratch = align(plain + 4 * m * n);
  kernels.grow(scratch + Math.max(minedScratch(shape), igemmScratch(m, n, k)));
  // Section 8 clamps to -63.
  kernels.i8.set(
    a.data.map((value) => Math.max(value, -63)),
    places.qA,
  );
  kernels.i8.set(
    b.data.map((value) => Math.max(value, -63)),
    places.qBT,
  );
  const scales = Float32Array.from({ length: m + n }, (_, i) => Math.fround(0.001 * (i + 1)));
  scales[3] = Number.NaN;
  scales[5] = 2 ** -140;
  kernels.f32.set(scales, places.sA / 4);
  kernels.igemm(plain, places.qA, places.sA, places.qBT, places.sB, m, n, k, scratch);
  const expected = kernels.u32.slice(plain / 4, plain / 4 + m * n);
  const gemm = new MinedGemm(kernels, scratch);
  const mined = gemm.run({ ...places, shape, header, target: EASIEST });
  assert.deepEqual(kernels.u32.slice(places.out / 4, places.out / 4 + m * n), expected);

  const byHost = new MinedGemm(kernels, scratch, sha256).roots(places, shape);
  assert.deepEqual(byHost, gemm.roots(places, shape));
  assert.deepEqual([byHost.rootA, byHost.rootB], [mined.rootA, mined.rootB]);
});

test('a winner found by the kernels opens and verifies, with either evaluator', () => {
  const size = { m: 64, n: 32, k: 1024 };
  const shape = shapeOf(0, size);
  const { a, b } = drawOperands(size, 'random', 77);
  const target = { difficulty: 600_000n, slab: 256, boostPpm: 1_200_000n };
  let step = 0;
  let mined: Mined;
  do mined = mine({ shape, a, b, header: { ...header, step: ++step }, target });
  while (mined.wins === 0);
  const [winner] = mined.winners;
  assert.ok(winner !== undefined);
  const opening = new MinedGemm(kernels, scratchOf(size)).opening(
    { qA: BASE, qBT: align(BASE + a.data.length) },
    shape,
    winner,
  );
  const claim = {
    ...header,
    ...size,
    ...mined,
    step,
    profile: 0,
    ti: winner.ti,
    tj: winner.tj,
    s: winner.s,
    opening: encodeOpening(opening),
    difficulty: target.difficulty,
    boostPpm: target.boostPpm,
  };
  assert.deepEqual(verifyTicket(claim), { ok: true, ticket: winner.ticket });
  assert.deepEqual(verifyTicket(claim, ticketKernel(kernels, scratchOf(size))), { ok: true, ticket: winner.ticket });
});

test('leaves are hashed by whoever is faster by the clock, the kernels in doubt', () => {
  // Three readings a round: before, between and after.
  const clock = (kernelsMs: number, hostMs: number) => {
    let now = 0;
    let reading = 0;
    return () => {
      now += [0, kernelsMs, hostMs][reading++ % 3] as number;
      return now;
    };
  };
  kernels.grow(BASE + LEAF_HASH_SCRATCH);
  assert.equal(fasterLeafHash(kernels, BASE, sha256, clock(2, 1)), sha256);
  assert.equal(fasterLeafHash(kernels, BASE, sha256, clock(1, 2)), undefined);
  assert.equal(fasterLeafHash(kernels, BASE, sha256, clock(1, 1)), undefined);
});
