/**
 * # Mined GEMM: one product, its commitments and all of its tickets, in the kernels' memory.
 *
 * Always true: roots, tickets and product equal those of the plain reference (reference.test.ts, kernels.test.ts), and
 * roots depend on the operands alone, so an execution without a header gives the same ones. Everything lies between
 * `scratch` and `scratch + minedScratch(shape)`; operands, scales and output lie elsewhere.
 */
import { assert } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { WasmKernels } from '../canonical/wasm.ts';
import { type PouwCalls, pouwCalls } from './calls.ts';
import type { Operand } from './commitment.ts';
import type { LeafHash } from './leaf-hash.ts';
import { kappaOf, type NoiseHeader, SIDE_A, SIDE_B, seedsOf } from './noise.ts';
import { buildOpening, type Opening } from './opening.ts';
import { type Place, type Shape, TILE, ticketCount } from './profile.ts';
import { largestWinner, type Target } from './ticket.ts';

/** Byte offsets of quantised operands: qA [m][k] and qBT [n][k], int8 in [-64, 63] (quantiseRows, quantiseCols). */
export interface OperandPlaces {
  readonly qA: number;
  readonly qBT: number;
}

export interface MinedJob extends OperandPlaces {
  readonly shape: Shape;
  /** f32 scales [m] and [n]; sA = 0 leaves the int32 product in `out` instead. */
  readonly sA: number;
  readonly sB: number;
  /** f32 [m][n]: (f32(sum) * sA_i) * sB_j + 0. */
  readonly out: number;
  readonly header: NoiseHeader;
  readonly target: Target;
}

export interface OperandRoots {
  readonly rootA: Bytes;
  readonly rootB: Bytes;
}

export interface Ticket extends Place {
  readonly ticket: Bytes;
}

export interface Mined extends OperandRoots {
  /** Tickets drawn. */
  readonly tickets: number;
  /** All winners, of which `winners` holds the first MAX_WINNERS in order ti, tj, s. */
  readonly wins: number;
  readonly winners: readonly Ticket[];
  /** The lowest ticket, won or not. */
  readonly best: Ticket;
}

/** Winners that one product reports. A block needs one; more than a few mean a target far too easy. */
export const MAX_WINNERS = 16;
/** Tile rows that the kernel works on at once (MAX_ROWS in pouw-gemm.ts). */
const ROWS = 4;
const RECORD_BYTES = 48;
const LEAF_PREFIX = 15;

/** Bytes of scratch that a mined product needs: about 6(m+n)k/2 for its operands in their several forms. */
export function minedScratch(shape: Shape): number {
  return layout(0, shape).end;
}

export class MinedGemm {
  readonly #kernels: WasmKernels;
  readonly #calls: PouwCalls;
  readonly #scratch: number;
  readonly #hash: LeafHash | undefined;

  /** `scratch` is a multiple of 64; the memory grows when a shape needs it. `hash`: see fasterLeafHash. */
  constructor(kernels: WasmKernels, scratch: number, hash?: LeafHash) {
    assert(scratch % 64 === 0, 'scratch is aligned to 64 bytes');
    this.#kernels = kernels;
    this.#calls = pouwCalls(kernels.exports);
    this.#scratch = scratch;
    this.#hash = hash;
  }

  /** The operands' roots alone: what an execution without noise still owes the transcript. */
  roots(operands: OperandPlaces, shape: Shape): OperandRoots {
    const at = layout(this.#scratch, shape);
    this.#kernels.grow(at.end);
    return {
      rootA: this.#commit(at, at.leavesA, operands.qA, shape.m, shape),
      rootB: this.#commit(at, at.leavesB, operands.qBT, shape.n, shape),
    };
  }

  /** The product to `out`, every ticket drawn. */
  run(job: MinedJob): Mined {
    const { shape } = job;
    const { profile, m, n, k } = shape;
    const { slab, rank } = profile;
    const at = layout(this.#scratch, shape);
    const roots = this.roots(job, shape);
    const seeds = seedsOf(kappaOf(job.header, shape), roots.rootA, roots.rootB);
    const memory = this.#kernels.u8;
    memory.set(seeds.seedA, at.seedA);
    memory.set(seeds.seedB, at.seedB);
    memory.set(largestWinner(job.target), at.bound);
    memory.fill(0xff, at.result, at.result + 16 + RECORD_BYTES);
    this.#kernels.u32.set([0, MAX_WINNERS], at.result / 4);

    const calls = this.#calls;
    calls.pouwLines(at.linesA, at.raw, at.seedA, SIDE_A.lineTag, 0, m, rank);
    calls.pouwLines(at.linesB, at.raw, at.seedB, SIDE_B.lineTag, 0, n, rank);
    calls.pouwIndices(at.indicesA, at.raw, at.seedA, SIDE_A.indexTag, 0, k, rank);
    calls.pouwIndices(at.indicesB, at.raw, at.seedB, SIDE_B.indexTag, 0, k, rank);
    const part = calls.pouwPart(at.indicesA, at.indicesB, k, rank);
    calls.pouwPackB(at.panelsB, at.leavesB, at.linesB, at.indicesA, at.indicesB, n, k, slab, rank, part);
    calls.pouwMine(
      job.out,
      job.sA,
      job.sB,
      at.leavesA,
      at.linesA,
      at.panelsB,
      at.indicesA,
      at.indicesB,
      m,
      n,
      k,
      slab,
      rank,
      part,
      at.panelsA,
      at.folds,
      at.seedA,
      at.bound,
      at.result,
    );
    return { ...roots, tickets: ticketCount(shape), ...this.#result(at.result) };
  }

  /** What a winner shows; the operands must still be in memory. */
  opening(operands: OperandPlaces, shape: Shape, place: Place): Opening {
    return buildOpening(
      this.#operand(operands.qA, shape.m, shape.k),
      this.#operand(operands.qBT, shape.n, shape.k),
      shape,
      place,
    );
  }

  #operand(q: number, lines: number, k: number): Operand {
    return { data: this.#kernels.i8.slice(q, q + lines * k), lines, k };
  }

  #commit(at: Layout, leaves: number, q: number, lines: number, shape: Shape): Bytes {
    const { slab } = shape.profile;
    const count = (lines / TILE) * shape.slabs;
    const stride = leafStride(slab);
    this.#calls.pouwLeaves(leaves, q, lines, shape.k, slab);
    const memory = this.#kernels.u8;
    if (this.#hash === undefined) {
      this.#calls.pouwHashes(at.hashes, leaves + LEAF_PREFIX, stride, count, slab / 4 + 1);
    } else {
      for (let leaf = 0; leaf < count; leaf++) {
        const from = leaves + leaf * stride + LEAF_PREFIX;
        memory.set(this.#hash(memory.subarray(from, from + 1 + TILE * slab)), at.hashes + 32 * leaf);
      }
    }
    this.#calls.pouwRoot(at.hashes, count);
    return memory.slice(at.hashes, at.hashes + 32);
  }

  #result(at: number): Pick<Mined, 'wins' | 'winners' | 'best'> {
    const wins = this.#kernels.u32[at / 4] as number;
    const record = (index: number): Ticket => {
      const from = at + 16 + index * RECORD_BYTES;
      const [ti, tj, s] = this.#kernels.u32.subarray(from / 4, from / 4 + 3) as unknown as [number, number, number];
      return { ti, tj, s, ticket: this.#kernels.u8.slice(from + 16, from + RECORD_BYTES) };
    };
    const winners = Array.from({ length: Math.min(wins, MAX_WINNERS) }, (_, i) => record(i + 1));
    return { wins, winners, best: record(0) };
  }
}

type Layout = ReturnType<typeof layout>;

/** Where everything of a shape lies; every range begins at a multiple of 64. */
function layout(base: number, shape: Shape) {
  const { m, n, k, slabs, profile } = shape;
  const { slab, rank } = profile;
  let end = base;
  const take = (bytes: number): number => {
    const at = end;
    end += (bytes + 63) & ~63;
    return at;
  };
  const panels = (lines: number): number => (lines / TILE) * slabs * leafStride(slab);
  // The peel may need a part per 256 positions (pouwPart): rarely more than one, but provably never more.
  const packed = (k + (k / 256) * 2 * rank) * 2 * TILE;
  const places = {
    leavesA: take(panels(m)),
    leavesB: take(panels(n)),
    hashes: take((Math.max(m, n) / TILE) * slabs * 32),
    seedA: take(32),
    seedB: take(32),
    bound: take(32),
    result: take(16 + (1 + MAX_WINNERS) * RECORD_BYTES),
    raw: take(Math.max(m * rank, n * rank, 8 * k) + 256),
    linesA: take(m * rank),
    linesB: take(n * rank),
    indicesA: take(8 * k),
    indicesB: take(8 * k),
    panelsA: take(ROWS * packed),
    panelsB: take((n / TILE) * packed),
    folds: take(ROWS * ((n / TILE) * slabs + 3) * 64),
  };
  return { ...places, end };
}

function leafStride(slab: number): number {
  return TILE * slab + 80;
}
