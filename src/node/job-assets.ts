/**
 * # Job assets: the graphs, weights and records of the public jobs that a dev or local genesis lists.
 *
 * Always true: everything follows from the model in `compute/models`, the seed of a job and the text; the chain spec
 * pins the roots, and a node that computes other bytes finds no blob under them.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Bytes, concat, toHex, utf8 } from '../base/bytes.ts';
import { stateRoot } from '../compute/canonical/state-root.ts';
import { CorpusError, type CorpusFile, type PackedCorpus, packCorpus, RECORD_BYTES } from '../compute/corpus.ts';
import { heldOutLoss } from '../compute/engine/held-out-loss.ts';
import { compile } from '../compute/graph/compile.ts';
import type { Optimiser } from '../compute/graph/optimiser.ts';
import { writeStepGraph } from '../compute/graph/step-graph.ts';
import { charTransformer, DEV_TRANSFORMER } from '../compute/models/char-transformer.ts';
import { initialWeights } from '../compute/models/initial-weights.ts';
import { minedNodes } from '../compute/plan/planner.ts';
import { blake2_256 } from '../crypto/hash.ts';
import type { ChainSpec, PublicJobConfig } from './chain-spec.ts';

/** The constants of the published two-step training (docs/spec/engine.md). */
const ADAMW: Optimiser = { kind: 'adamw', b1: f32(0.9), b2: f32(0.95), eps: f32(1e-8), weightDecay: f32(0.01) };
const JOBS = 3;
const STAGGER_BLOCKS = 8;
const STEPS = 80;
const SEGMENT_STEPS = 5;
const LR_KNOTS = [
  { step: 0, bits: bits(0) },
  { step: 20, bits: bits(1e-3) },
  { step: 2_000, bits: bits(3e-4) },
];
const OUTER_LR = bits(0.7);
const OUTER_MOMENTUM = bits(0.9);
/** A merge that worsens the held-out loss by more than 5 % is rolled back. */
const GATE_PPM = 50_000;
const FRAGMENTS_PER_ROUND = 2;

export interface DevGraphs {
  readonly step: Bytes;
  readonly evaluation: Bytes;
  readonly params: number;
  readonly minedNodes: readonly { readonly m: number; readonly n: number; readonly k: number }[];
}

/** The step graph and the evaluation graph of the dev model; about 0.2 s. */
export function devGraphs(): DevGraphs {
  const record = {
    bytes: RECORD_BYTES,
    fields: [
      { input: 'tokens', type: 'u8', offset: 0 },
      { input: 'labels', type: 'u8', offset: 1 },
    ],
  } as const;
  const compiled = compile(charTransformer(DEV_TRANSFORMER), { loss: 'cross-entropy', optimiser: ADAMW, record });
  const params = compiled.theta.length / 4;
  const nodes = minedNodes(compiled.step.graph).map(({ m, n, k }) => ({ m, n, k }));
  return {
    step: writeStepGraph(compiled.step),
    evaluation: writeStepGraph(compiled.evaluation),
    params,
    minedNodes: nodes,
  };
}

/** The initial weights of the job with this index: uniform, by Philox purpose 5 (DECISIONS.md section 5). */
export function initialTheta(index: number): Bytes {
  const seed = blake2_256(concat(utf8('cpow/1/init'), Uint8Array.of(index)));
  return initialWeights(charTransformer(DEV_TRANSFORMER), seed);
}

/** The text to train on: a file of the operator's, or the corpus that ships. Throws CorpusError. */
export function corpus(data: string | undefined): PackedCorpus {
  try {
    return packCorpus(
      data === undefined ? shippedFiles() : [{ name: data, bytes: readFileSync(data) }],
      DEV_TRANSFORMER.B,
    );
  } catch (error) {
    if (error instanceof CorpusError) throw new CorpusError(`--data ${data ?? '(corpus)'}: ${error.message}`);
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new CorpusError(`--data ${data}: cannot be read (${code})`);
  }
}

function shippedFiles(): CorpusFile[] {
  const root = fileURLToPath(new URL('../../genesis/corpus', import.meta.url));
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((name) => join(root, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => ({ name: relative(root, path), bytes: readFileSync(path) }));
}

/** The public jobs of a dev or local genesis over this text. About 5 s: their first held-out losses are measured. */
export function publicJobs(data: string | undefined, profile: number): PublicJobConfig[] {
  const graphs = devGraphs();
  const text = corpus(data);
  const root = (bytes: Bytes): string => toHex(stateRoot([bytes]));
  const shared = {
    stepGraph: root(graphs.step),
    evalGraph: root(graphs.evaluation),
    dataset: root(text.train),
    holdout: root(text.holdout),
    recordBytes: text.recordBytes,
    nRecords: text.nRecords,
    nHoldout: text.nHoldout,
    params: graphs.params,
    steps: STEPS,
    segmentSteps: SEGMENT_STEPS,
    batch: DEV_TRANSFORMER.B,
    profile,
    minedNodes: [...graphs.minedNodes],
    lrKnots: LR_KNOTS,
    outerLr: OUTER_LR,
    outerMomentum: OUTER_MOMENTUM,
    fragmentsPerRound: FRAGMENTS_PER_ROUND,
    gatePpm: GATE_PPM,
  };
  return Array.from({ length: JOBS }, (_, index) => {
    const theta = initialTheta(index);
    const initLoss = heldOutLoss(graphs.evaluation, theta, text.holdout);
    return { index, initRoot: root(theta), initLoss, stagger: index * STAGGER_BLOCKS, ...shared };
  });
}

/** The spec with its jobs over another text; a raw spec cannot be changed so. */
export function withData(spec: ChainSpec, data: string): ChainSpec {
  if (!('runtimeGenesis' in spec.genesis)) throw new CorpusError('--data: give a human-readable spec, not a raw one');
  const { patch } = spec.genesis.runtimeGenesis;
  const jobs = { ...patch.jobs, publicJobs: publicJobs(data, spec.consensus.profile) };
  return { ...spec, genesis: { runtimeGenesis: { patch: { ...patch, jobs } } } };
}

function f32(value: number): number {
  return Math.fround(value);
}

/** The f32 bits of a value. */
function bits(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0] as number;
}
