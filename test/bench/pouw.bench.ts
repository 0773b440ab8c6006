/**
 * # Mined products: what noise, tickets and commitments cost.
 *
 * Prints one JSON line per row. `step`: a training step of the dev job with plain products, with commitments, and mined
 * (leaves hashed by the kernels, and by the host). `product`: one product per shape. `verify`: one ticket, checked
 * whole. Milliseconds are the least of interleaved rounds, so that ratios compare like with like; nothing is asserted.
 * Run: `node test/bench/pouw.bench.ts`.
 */
import { igemmScratch, RESERVED_BYTES } from '../../src/compute/canonical/kernels.ts';
import { loadKernels } from '../../src/compute/engine/kernels-file.ts';
import { readStepGraph } from '../../src/compute/graph/step-graph.ts';
import { StepExecutor } from '../../src/compute/plan/executor.ts';
import { type GemmBackend, plainGemm } from '../../src/compute/plan/gemm-backend.ts';
import { planStep } from '../../src/compute/plan/planner.ts';
import { operandRoot } from '../../src/compute/pouw/commitment.ts';
import { fasterLeafHash } from '../../src/compute/pouw/leaf-hash.ts';
import { MinedGemm, minedScratch } from '../../src/compute/pouw/miner-gemm.ts';
import { buildOpening, encodeOpening, openingHash } from '../../src/compute/pouw/opening.ts';
import { checkShape, type Shape } from '../../src/compute/pouw/profile.ts';
import { evaluateTicket } from '../../src/compute/pouw/ticket.ts';
import { TICKET_SCRATCH, ticketKernel } from '../../src/compute/pouw/ticket-kernel.ts';
import { verifyTicket } from '../../src/compute/pouw/verify.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { corpus, devGraphs, initialTheta } from '../../src/node/job-assets.ts';
import { drawOperands } from '../compute/pouw/vectors.ts';

await installFastPaths();
const header = {
  preHash: new Uint8Array(32),
  author: new Uint8Array(32),
  fragment: new Uint8Array(32),
  step: 1,
  node: 0,
};
/** Won once in 10^40 tickets. */
const target = { difficulty: 1n << 160n, slab: 256, boostPpm: 1_000_000n };

type Runs = Readonly<Record<string, () => void>>;

/** Least milliseconds of every run over interleaved rounds, rounded to microseconds. */
function least<R extends Runs>(runs: R, rounds: number): Record<keyof R, number> {
  const best: Record<string, number> = {};
  for (let round = 0; round < rounds; round++) {
    for (const [name, run] of Object.entries(runs)) {
      const started = performance.now();
      run();
      best[name] = Math.min(best[name] ?? Number.POSITIVE_INFINITY, performance.now() - started);
    }
  }
  for (const name of Object.keys(best)) best[name] = Math.round((best[name] as number) * 1000) / 1000;
  return best as Record<keyof R, number>;
}

const ratio = (a: number, b: number): number => Math.round((100 * a) / b) / 100;
const print = (row: object): void => console.log(JSON.stringify(row));

function shapeOf(profile: number, size: { m: number; n: number; k: number }): Shape {
  const checked = checkShape(profile, size);
  if (!checked.ok) throw new Error(checked.code);
  return checked.shape;
}

function benchStep(): void {
  const graph = devGraphs();
  const plan = planStep(readStepGraph(graph.step));
  const text = corpus(undefined);
  const batch = text.train.subarray(0, 8 * text.recordBytes);
  const macs = graph.minedNodes.reduce((sum, { m, n, k }) => sum + m * n * k, 0);
  const stepWith = (backend: (kernels: ReturnType<typeof loadKernels>) => GemmBackend): (() => void) => {
    const kernels = loadKernels();
    const executor = new StepExecutor(kernels, plan, backend(kernels));
    const state = new Uint8Array(4 * plan.state.parts * plan.state.count);
    state.set(initialTheta(0));
    executor.load(state);
    const seed = new Uint8Array(32).fill(5);
    let t = 0;
    return () => void executor.run(++t, seed, batch, 0);
  };
  const committed = (hash?: typeof sha256) =>
    stepWith((kernels) => {
      const plain = plainGemm(kernels);
      const gemm = new MinedGemm(kernels, plan.bytes, hash);
      return {
        multiply: (call) => {
          plain.multiply(call);
          gemm.roots(call, shapeOf(0, call));
        },
      };
    });
  const mined = (hash?: typeof sha256) =>
    stepWith((kernels) => {
      const gemm = new MinedGemm(kernels, plan.bytes, hash);
      return { multiply: (call) => void gemm.run({ ...call, shape: shapeOf(0, call), header, target }) };
    });
  const ms = least(
    {
      plain: stepWith((kernels) => plainGemm(kernels)),
      committed: committed(),
      mined: mined(),
      minedHostHash: mined(sha256),
    },
    40,
  );
  const chosen = fasterLeafHash(loadKernels(), RESERVED_BYTES, sha256, () => performance.now());
  print({
    row: 'step',
    ...ms,
    fasterLeafHash: chosen === undefined ? 'kernels' : 'host',
    gmacs: ratio(macs / 1e6, ms.mined),
    minedOverPlain: ratio(ms.mined, ms.plain),
    minedOverCommitted: ratio(ms.mined, ms.committed),
    hostHashOverPlain: ratio(ms.minedHostHash, ms.plain),
  });
}

function benchProduct(profile: number, m: number, n: number, k: number, rounds: number): void {
  const shape = shapeOf(profile, { m, n, k });
  const kernels = loadKernels();
  let end = RESERVED_BYTES;
  const take = (bytes: number): number => {
    const at = end;
    end = Math.ceil((at + bytes) / 64) * 64;
    return at;
  };
  const [qA, qBT, sA, sB, out] = [take(m * k), take(n * k), take(4 * m), take(4 * n), take(4 * m * n)] as const;
  kernels.grow(end + Math.max(minedScratch(shape), igemmScratch(m, n, k)));
  const { a, b } = drawOperands({ m, n, k }, 'random');
  kernels.i8.set(a.data, qA);
  kernels.i8.set(b.data, qBT);
  kernels.f32.fill(0.5, sA / 4, out / 4);
  const gemm = new MinedGemm(kernels, end);
  const ms = least(
    {
      plain: () => kernels.igemm(out, qA, sA, qBT, sB, m, n, k, end),
      mined: () => gemm.run({ shape, qA, qBT, sA, sB, out, header, target }),
      roots: () => gemm.roots({ qA, qBT }, shape),
    },
    rounds,
  );
  const gmacs = (time: number): number => ratio((m * n * k) / 1e6, time);
  const overhead = { minedOverPlain: ratio(ms.mined, ms.plain), overCommitted: ratio(ms.mined, ms.plain + ms.roots) };
  print({ row: 'product', profile, m, n, k, ...ms, plainGmacs: gmacs(ms.plain), gmacs: gmacs(ms.mined), ...overhead });
}

function benchVerify(profile: number, m: number, n: number, k: number): void {
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
  const checks = {
    kernels: () => void verifyTicket(claim, evaluate),
    plain: () => void verifyTicket(claim, evaluateTicket),
  };
  print({ row: 'verify', profile, openingBytes: opening.length, ...least(checks, 100) });
}

benchStep();
benchProduct(0, 512, 256, 256, 60);
benchProduct(0, 512, 768, 256, 40);
benchProduct(0, 512, 1024, 256, 30);
benchProduct(0, 512, 256, 1024, 30);
benchProduct(0, 1024, 256, 512, 30);
benchProduct(1, 512, 512, 1024, 20);
benchProduct(1, 1024, 1024, 4096, 4);
benchProduct(1, 2048, 2048, 4096, 3);
for (const profile of [0, 1, 2]) benchVerify(profile, 512, 256, 4096);
