/** # Benchmark assets: the dev job as a node would describe it, made here: a benchmark needs no network. */
import type { Bytes } from '../base/bytes.ts';
import type { JobJson } from '../miner/wire.ts';
import { corpus, devGraphs, initialTheta, publicJobs } from '../node/job-assets.ts';

/** The first dev job with its blobs. About 3 s. */
export function benchmarkAssets(): { job: JobJson; graph: Bytes; dataset: Bytes; theta: Bytes } {
  const config = publicJobs(undefined, 0)[0];
  if (!config) throw new Error('the dev genesis lists jobs');
  const job: JobJson = {
    id: config.stepGraph,
    index: config.index,
    step_graph: config.stepGraph,
    eval_graph: config.evalGraph,
    init_root: config.initRoot,
    init_loss: config.initLoss,
    dataset: config.dataset,
    holdout: config.holdout,
    record_bytes: config.recordBytes,
    n_records: config.nRecords,
    n_holdout: config.nHoldout,
    params: config.params,
    steps: config.steps,
    segment_steps: config.segmentSteps,
    batch: config.batch,
    profile: config.profile,
    mined_nodes: config.minedNodes,
    lr_knots: config.lrKnots,
    outer_lr: config.outerLr,
    outer_momentum: config.outerMomentum,
    fragmentCu: 0,
    round: { r: 0, phase: 'Train', theta: config.initRoot, loss: null },
  };
  return { job, graph: devGraphs().step, dataset: corpus(undefined).train, theta: initialTheta(0) };
}
