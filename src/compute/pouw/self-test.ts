/**
 * # Self-test: the mined product proves itself before anyone mines with it.
 *
 * Always true: roots, tickets and product of one small mined product are those of the plain reference, or the kernels
 * are refused. Optimising compilers have been wrong here: V8 13.6 with --experimental-wasm-revectorize gave false
 * hashes for one way of writing SHA-256. About 0.2 s at profile 0.
 */
import { assert, must } from '../../base/assert.ts';
import { equal, fromLittleEndian } from '../../base/bytes.ts';
import { KernelsUnfit } from '../canonical/kernels.ts';
import type { WasmKernels } from '../canonical/wasm.ts';
import { type Operand, operandRoot, panelOf } from './commitment.ts';
import { MinedGemm, minedScratch } from './miner-gemm.ts';
import { kappaOf, type NoiseHeader, type Seeds, seedsOf } from './noise.ts';
import { plainProduct } from './product.ts';
import { checkShape, PROFILES, type Shape, TILE } from './profile.ts';
import { evaluateTicket } from './ticket.ts';

/** More than eight leaves a side, so that full and partial groups of lanes are hashed. */
const [ROWS, COLUMNS, SLABS] = [5 * TILE, 6 * TILE, 2];
const HEADER: NoiseHeader = {
  preHash: new Uint8Array(32).fill(1),
  author: new Uint8Array(32).fill(2),
  fragment: new Uint8Array(32).fill(3),
  step: 7,
  node: 5,
};

/** Throws KernelsUnfit unless the kernels mine as the reference does. Uses and grows their memory from `scratch` on. */
export function proveMining(kernels: WasmKernels, profile: number, scratch: number): void {
  const { slab } = must(PROFILES[profile], 'a profile of this chain');
  const checked = checkShape(profile, { m: ROWS, n: COLUMNS, k: SLABS * slab });
  assert(checked.ok, 'a few tiles over two slabs can be mined');
  const { shape } = checked;
  const [a, b] = [drawn(ROWS, shape.k, 1), drawn(COLUMNS, shape.k, 2)];
  const qA = scratch;
  const qBT = qA + a.data.length;
  const out = qBT + b.data.length;
  const rest = out + 4 * ROWS * COLUMNS;
  kernels.grow(rest + minedScratch(shape));
  kernels.i8.set(a.data, qA);
  kernels.i8.set(b.data, qBT);
  const target = { difficulty: 1n, slab, boostPpm: 1_000_000n };
  const mined = new MinedGemm(kernels, rest).run({ shape, qA, qBT, sA: 0, sB: 0, out, header: HEADER, target });
  const rootA = operandRoot(a, slab);
  const rootB = operandRoot(b, slab);
  const product = kernels.i32.subarray(out / 4, out / 4 + ROWS * COLUMNS);
  const agrees =
    equal(mined.rootA, rootA) &&
    equal(mined.rootB, rootB) &&
    fromLittleEndian(mined.best.ticket) === lowestTicket(shape, a, b, seedsOf(kappaOf(HEADER, shape), rootA, rootB)) &&
    plainProduct(a, b).every((sum, i) => sum === product[i]);
  if (!agrees) throw new KernelsUnfit('mined products differ from the plain reference: do not mine on this machine');
}

/** The lowest ticket of a product as an integer, by the reference. */
function lowestTicket({ profile, m, n, slabs }: Shape, a: Operand, b: Operand, seeds: Seeds): bigint {
  let lowest = 1n << 256n;
  for (let ti = 0; ti < m / TILE; ti++) {
    for (let tj = 0; tj < n / TILE; tj++) {
      for (let s = 0; s < slabs; s++) {
        const panelA = panelOf(a, ti, s, profile.slab);
        const panelB = panelOf(b, tj, s, profile.slab);
        const ticket = fromLittleEndian(evaluateTicket({ profile, seeds, place: { ti, tj, s }, panelA, panelB }));
        if (ticket < lowest) lowest = ticket;
      }
    }
  }
  return lowest;
}

/** Values in [-64, 63], the ends included. */
function drawn(lines: number, k: number, seed: number): Operand {
  let x = seed;
  const data = Int8Array.from({ length: lines * k }, () => {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
    return (x >>> 25) - 64;
  });
  return { data, lines, k };
}
