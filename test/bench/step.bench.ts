/**
 * # Step: a training step of the dev job, plain, committed to, mined, and as fp32 in ONNX Runtime; and what checking it
 * costs.
 *
 * Always true: mined and checked steps are the miner's and the checker's own engine on the real corpus. ONNX Runtime
 * runs the same model, loss and optimiser, compiled without quantisation, on one thread in this process. Times are CPU
 * times, steps are interleaved. Engines are compiled as a miner's are: call `useEngineFlags` before any.
 */
import { createHash } from 'node:crypto';
import * as ort from 'onnxruntime-node';
import { benchmarkAssets } from '../../src/cli/benchmark-assets.ts';
import { stateRoot } from '../../src/compute/canonical/state-root.ts';
import { loadKernels } from '../../src/compute/engine/kernels-file.ts';
import { compile } from '../../src/compute/graph/compile.ts';
import { elements } from '../../src/compute/graph/onnx.ts';
import { readStepGraph, writeStepGraph } from '../../src/compute/graph/step-graph.ts';
import { charTransformer, DEV_TRANSFORMER } from '../../src/compute/models/char-transformer.ts';
import { StepExecutor } from '../../src/compute/plan/executor.ts';
import { plainGemm } from '../../src/compute/plan/gemm-backend.ts';
import { planStep } from '../../src/compute/plan/planner.ts';
import { JobEngine, type TicketSource } from '../../src/miner/job-engine.ts';
import { type BenchOptions, cpuMs, interleaved, median, type Row, rounded } from './measure.ts';

const SEED = { job: new Uint8Array(32), r: 0, k: 0, randomness: new Uint8Array(32) };
const FIRST_STEPS = 95;
/** PROTOCOL: segments of a fragment that are drawn, whatever it won. */
const DRAWN = 3;

/** Tickets that nobody wins. */
const never: TicketSource = {
  header: (step, { node }) => ({
    header: { preHash: SEED.job, author: SEED.job, fragment: SEED.job, step, node },
    target: { difficulty: 1n << 200n, slab: 256, boostPpm: 1_000_000n },
  }),
  found: () => {},
};

/** The model as fp32 in ONNX Runtime: one training step a call, on random records. */
async function nativeStep(theta: Uint8Array): Promise<() => Promise<unknown>> {
  const compiled = compile(charTransformer(DEV_TRANSFORMER, theta), {
    loss: 'cross-entropy',
    optimiser: { kind: 'adamw', b1: 0.875, b2: 0.96875, eps: 2 ** -26, weightDecay: 2 ** -6 },
    precision: 'f32',
  });
  const session = await ort.InferenceSession.create(writeStepGraph(compiled.step), {
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const scalars: Readonly<Record<string, number>> = { lr: 2 ** -10, c1: 0.5, c2: 0.5 };
  const feeds = Object.fromEntries(
    compiled.step.graph.inputs.map(({ name, type, dims }) => {
      const n = elements(dims);
      if (type === 'i64') {
        const tokens = BigInt64Array.from({ length: n }, () => BigInt(Math.floor(Math.random() * DEV_TRANSFORMER.V)));
        return [name, new ort.Tensor('int64', tokens, dims)];
      }
      const values = name === 'theta' ? new Float32Array(theta.slice().buffer) : new Float32Array(n);
      return [name, new ort.Tensor('float32', values.fill(scalars[name] ?? 0, name in scalars ? 0 : n), dims)];
    }),
  );
  return () => session.run(feeds);
}

/** A step with plain products and no commitments. */
function plainStep(assets: ReturnType<typeof benchmarkAssets>): () => void {
  const { job, graph, dataset, theta } = assets;
  const plan = planStep(readStepGraph(graph));
  const kernels = loadKernels();
  const executor = new StepExecutor(kernels, plan, plainGemm(kernels));
  const state = new Uint8Array(4 * plan.state.parts * plan.state.count);
  state.set(theta);
  executor.load(state);
  const batch = dataset.subarray(0, job.batch * job.record_bytes);
  const seed = new Uint8Array(32).fill(5);
  let t = 0;
  return () => void executor.run(++t, seed, batch, 0);
}

/** A step of the engine that miners and checkers run. */
function engineStep({ job, graph, dataset, theta }: ReturnType<typeof benchmarkAssets>, tickets?: TicketSource) {
  const engine = new JobEngine({ job, graph, ...(tickets ? { tickets } : {}) });
  engine.load(engine.firstState(theta));
  let t = 0;
  return () => void engine.step(SEED, 1 + (t++ % FIRST_STEPS), dataset);
}

/** Rows C1 and, for the dev shapes, C2. */
export async function stepRows({ quick }: BenchOptions): Promise<Row[]> {
  const assets = benchmarkAssets();
  const ms = await interleaved(
    {
      native: await nativeStep(assets.theta),
      plain: plainStep(assets),
      committed: engineStep(assets),
      mined: engineStep(assets, never),
    },
    quick ? 5 : 15,
  );
  const terms = {
    nativeMs: rounded(ms.native, 1),
    plainMs: rounded(ms.plain, 1),
    committedMs: rounded(ms.committed, 1),
    minedMs: rounded(ms.mined, 1),
    minedOverCommitted: rounded(ms.mined / ms.committed),
  };
  return [
    {
      id: 'C1',
      name: 'i7 training step / ONNX Runtime fp32, one thread, d=256 (speed)',
      value: rounded(ms.native / ms.plain),
      unit: 'x',
      must: 0.9,
      better: 'more',
      terms,
    },
    {
      id: 'C2',
      name: 'mined step / the same without noise, dev shapes',
      value: rounded(ms.mined / ms.plain),
      unit: 'x',
      must: 1.8,
      better: 'less',
      terms,
    },
  ];
}

/**
 * Row C4 for a fragment that won nothing: a segment that it won is drawn too and costs what any drawn one costs. What
 * goes over HTTP and to disk is left out; the hashes that vouch for it are not.
 */
export async function checkingRows({ quick }: BenchOptions): Promise<Row[]> {
  const assets = benchmarkAssets();
  const { job, graph, dataset, theta } = assets;
  const M = job.steps / job.segment_steps;
  const miner = new JobEngine({ job, graph, tickets: never });
  const checker = new JobEngine({ job, graph });
  const origin = checker.firstState(theta);
  const [plain, mined] = [plainStep(assets), engineStep(assets, never)];
  const mine = () => {
    for (let t = 1; t <= job.segment_steps; t++) miner.step(SEED, t, dataset);
    miner.stateRoot();
  };
  const check = () => {
    // The blobs of theta and of the state are verified as they arrive, the state once more as what was revealed.
    for (const bytes of [theta, origin, origin]) stateRoot([bytes]);
    checker.load(origin);
    const digest = createHash('sha256');
    for (let t = 1; t <= job.segment_steps; t++)
      checker.step(SEED, t, dataset, {
        onOperand: (operand) => void digest.update(operand),
        withoutRoots: true,
      });
    checker.isVoid();
    checker.stateRoot();
  };
  const ends = () => {
    stateRoot([origin]);
    stateRoot([checker.deltaOf(theta, checker.state())]);
  };
  miner.load(origin);
  const times = {
    plain: [] as number[],
    mined: [] as number[],
    mine: [] as number[],
    check: [] as number[],
    ends: [] as number[],
  };
  for (let round = 0; round <= (quick ? 3 : 5); round++) {
    for (const [name, run] of Object.entries({ plain, mined, mine, check, ends })) {
      const ms = await cpuMs(run);
      if (round > 0) times[name as keyof typeof times].push(ms);
    }
  }
  const ms = Object.fromEntries(Object.entries(times).map(([name, list]) => [name, median(list)])) as Record<
    keyof typeof times,
    number
  >;
  const checking = DRAWN * ms.check + ms.ends;
  const mining = M * ms.mine + ms.ends;
  const share = (DRAWN / M) * (ms.plain / ms.mined);
  return [
    {
      id: 'C4',
      name: 'checking / mined training CPU, over the drawn share of plain steps',
      value: rounded(checking / mining / share),
      unit: 'x',
      must: 1.1,
      better: 'less',
      terms: {
        checkingOverMining: rounded(checking / mining),
        drawn: DRAWN,
        segments: M,
        checkedSegmentMs: rounded(ms.check, 1),
        minedSegmentMs: rounded(ms.mine, 1),
        endsMs: rounded(ms.ends, 1),
        plainStepMs: rounded(ms.plain, 1),
        minedStepMs: rounded(ms.mined, 1),
      },
    },
  ];
}
