/**
 * # Mined products: what noise, tickets and commitments cost, product by product and ticket by ticket.
 *
 * Runs are interleaved; the products of `productRows` are compiled as a miner's are, so that it must run after
 * `useEngineFlags`; `verifyRows` measures what a node runs.
 */
import { igemmScratch, RESERVED_BYTES } from '../../src/compute/canonical/kernels.ts';
import { loadKernels } from '../../src/compute/engine/kernels-file.ts';
import { operandRoot } from '../../src/compute/pouw/commitment.ts';
import { MinedGemm, minedScratch } from '../../src/compute/pouw/miner-gemm.ts';
import { buildOpening, encodeOpening } from '../../src/compute/pouw/opening.ts';
import { checkShape, type Shape } from '../../src/compute/pouw/profile.ts';
import { evaluateTicket } from '../../src/compute/pouw/ticket.ts';
import { TICKET_SCRATCH, ticketKernel } from '../../src/compute/pouw/ticket-kernel.ts';
import { verifyTicket } from '../../src/compute/pouw/verify.ts';
import { openingHash } from '../../src/primitives/pow.ts';
import { drawOperands } from '../compute/pouw/vectors.ts';
import { type BenchOptions, interleaved, type Row, rounded } from './measure.ts';

const header = {
  preHash: new Uint8Array(32),
  author: new Uint8Array(32),
  fragment: new Uint8Array(32),
  step: 1,
  node: 0,
};
/** Won once in 10^40 tickets. */
const target = { difficulty: 1n << 160n, slab: 256, boostPpm: 1_000_000n };

function shapeOf(profile: number, size: { m: number; n: number; k: number }): Shape {
  const checked = checkShape(profile, size);
  if (!checked.ok) throw new Error(checked.code);
  return checked.shape;
}

/** Overheads of one product: mined over plain, and over plain with commitments. */
async function product(size: { m: number; n: number; k: number }, rounds: number) {
  const { m, n, k } = size;
  const shape = shapeOf(1, size);
  const kernels = loadKernels();
  let end = RESERVED_BYTES;
  const take = (bytes: number): number => {
    const at = end;
    end = Math.ceil((at + bytes) / 64) * 64;
    return at;
  };
  const [qA, qBT, sA, sB, out] = [take(m * k), take(n * k), take(4 * m), take(4 * n), take(4 * m * n)] as const;
  kernels.grow(end + Math.max(minedScratch(shape), igemmScratch(m, n, k)));
  const { a, b } = drawOperands(size, 'random');
  kernels.i8.set(a.data, qA);
  kernels.i8.set(b.data, qBT);
  kernels.f32.fill(0.5, sA / 4, out / 4);
  const gemm = new MinedGemm(kernels, end);
  // Tens of milliseconds a run: the clock of CPU time is too coarse for less.
  const times = Math.max(1, Math.round(2e9 / (m * n * k)));
  const repeat = (run: () => void) => () => {
    for (let i = 0; i < times; i++) run();
  };
  const ms = await interleaved(
    {
      plain: repeat(() => kernels.igemm(out, qA, sA, qBT, sB, m, n, k, end)),
      mined: repeat(() => gemm.run({ shape, qA, qBT, sA, sB, out, header, target })),
      roots: repeat(() => gemm.roots({ qA, qBT }, shape)),
    },
    rounds,
  );
  return {
    overPlain: rounded(ms.mined / ms.plain),
    overCommitted: rounded(ms.mined / (ms.plain + ms.roots)),
    gmacs: rounded((times * m * n * k) / 1e6 / ms.mined, 1),
  };
}

/** Row C2 for the shapes of large models. */
export async function productRows({ quick }: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [m, n, k] of [
    [512, 512, 1024],
    [1024, 1024, 4096],
    [2048, 2048, 4096],
  ] as const) {
    const { overPlain, ...terms } = await product({ m, n, k }, quick ? 3 : 5);
    const name = `mined product ${m}x${n}x${k} / the same without noise`;
    rows.push({ id: 'C2', name, value: overPlain, unit: 'x', must: 1.25, better: 'less', terms });
  }
  return rows;
}

/** Row C3. */
export async function verifyRows({ quick }: BenchOptions): Promise<Row[]> {
  const [m, n, k] = [512, 256, 4096];
  const rows: Row[] = [];
  for (const profile of [0, 1, 2]) {
    const shape = shapeOf(profile, { m, n, k });
    const { slab } = shape.profile;
    const { a, b } = drawOperands({ m, n, k }, 'random');
    const place = { ti: m / 16 - 1, tj: 1, s: shape.slabs - 1 };
    const opening = encodeOpening(buildOpening(a, b, shape, place));
    const roots = { rootA: operandRoot(a, slab), rootB: operandRoot(b, slab) };
    const sealed = { opening, openingHash: openingHash(opening), difficulty: 1n, boostPpm: 1_000_000n };
    const claim = { ...header, ...place, ...roots, ...sealed, profile, m, n, k };
    const kernels = loadKernels();
    kernels.grow(RESERVED_BYTES + TICKET_SCRATCH);
    const evaluate = ticketKernel(kernels, RESERVED_BYTES);
    const times = quick ? 50 : 200;
    const repeat = (by: typeof evaluateTicket) => () => {
      for (let i = 0; i < times; i++) verifyTicket(claim, by);
    };
    const ms = await interleaved({ kernels: repeat(evaluate), plain: repeat(evaluateTicket) }, 3);
    rows.push({
      id: 'C3',
      name: `verification of one ticket, profile ${profile}`,
      value: rounded(ms.kernels / times),
      unit: 'ms',
      must: 0.3,
      better: 'less',
      terms: { inPlainJavaScriptMs: rounded(ms.plain / times), openingBytes: opening.length },
    });
  }
  return rows;
}
