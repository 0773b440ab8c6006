import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { toHex } from '../../../src/base/bytes.ts';
import { instantiateKernels } from '../../../src/compute/canonical/wasm.ts';
import { merkleLeaf, merkleRoot } from '../../../src/compute/merkle.ts';
import { pouwCalls } from '../../../src/compute/pouw/calls.ts';
import { type Operand, operandLeaves, operandRoot, panelOf } from '../../../src/compute/pouw/commitment.ts';
import { keystream } from '../../../src/compute/pouw/keystream.ts';
import { type Mined, MinedGemm, minedScratch } from '../../../src/compute/pouw/miner-gemm.ts';
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

/** Mines a case from the first free page; the product comes back as int32. */
function mine(one: Case, hash?: (bytes: Uint8Array) => Uint8Array): Mined & { product: Int32Array } {
  const { shape, a, b } = one;
  const qA = BASE;
  const qBT = align(qA + a.data.length);
  const out = align(qBT + b.data.length);
  const scratch = align(out + 4 * shape.m * shape.n);
  kernels.grow(scratch + minedScratch(shape));
  kernels.i8.set(a.data, qA);
  kernels.i8.set(b.data, qBT);
  const gemm = new MinedGemm(kernels, scratch, hash);
  const mined = gemm.run({ ...one, qA, qBT, sA: 0, sB: 0, out });
  return { ...mined, product: kernels.i32.slice(out / 4, out / 4 + shape.m * shape.n) };
}

/** Every ticket of a case by the reference, in order ti, tj, s. */
function referenceTickets(one: Case, seeds: Seeds) {
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
    for (const { boostPpm, largestD } of vector.best.wins) {
      const target = { difficulty: BigInt(largestD), slab, boostPpm: BigInt(boostPpm) };
      const mined = mine({ ...one, target });
      assert.equal(hex(mined.rootA), vector.rootA);
      assert.equal(hex(mined.rootB), vector.rootB);
      assert.equal(hex(sha256(new Uint8Array(mined.product.buffer))), vector.productSha256, vector.name);
      // The listed tiles may be a sample, so others may win as well; the best listed one must win, and lose above.
      const wanted = vector.tiles.find((tile) => tile.ti === ti && tile.tj === tj && tile.s === s)?.ticket;
      if (vector.tiles.length === mined.tickets) {
        assert.deepEqual({ ...mined.best, ticket: hex(mined.best.ticket) }, { ti, tj, s, ticket: wanted });
        assert.equal(mined.wins, 1);
        assert.deepEqual(mined.winners, [mined.best]);
      } else {
        const found = mined.winners.find((winner) => winner.ti === ti && winner.tj === tj && winner.s === s);
        if (mined.wins <= mined.winners.length) assert.equal(found && hex(found.ticket), wanted);
      }
      const harder = mine({ ...one, target: { ...target, difficulty: BigInt(largestD) + 1n } });
      assert.equal(harder.wins, mined.wins - 1);
    }
    const seeds = seedsOf(
      kappaOf(one.header, one.shape),
      one.shape.profile && mineRoots(one).rootA,
      mineRoots(one).rootB,
    );
    for (const tile of vector.tiles) {
      const place = { ti: tile.ti, tj: tile.tj, s: tile.s };
      const panelA = panelOf(one.a, tile.ti, tile.s, slab);
      const panelB = panelOf(one.b, tile.tj, tile.s, slab);
      assert.equal(hex(evaluate({ profile: one.shape.profile, seeds, place, panelA, panelB })), tile.ticket);
    }
  }
});

function mineRoots(one: Pick<Case, 'shape' | 'a' | 'b'>) {
  const { slab } = one.shape.profile;
  return { rootA: operandRoot(one.a, slab), rootB: operandRoot(one.b, slab) };
}
