/** # Genesis blobs: what block 0 refers to, made when it is first asked for and never before. */
import { type Bytes, fromHex, toHex } from '../base/bytes.ts';
import type { BlobStore } from '../blobs/store.ts';
import { allJobs } from '../runtime/compute-view.ts';
import type { StateTree } from '../state/tree.ts';
import type { PublicJobConfig } from './chain-spec.ts';
import { corpus, devGraphs, initialTheta } from './job-assets.ts';

/** Whether this tree makes the jobs of the chain with this id. */
export function isShipped(id: string): boolean {
  return id === 'dev' || id === 'local';
}

/** What of a genesis job is a blob, and the place of the job in the genesis. */
type JobBlobs = Pick<PublicJobConfig, 'index' | 'stepGraph' | 'evalGraph' | 'dataset' | 'holdout'> & {
  readonly initRoot: string | undefined;
};

/** The jobs of a genesis, as its state has them: a raw spec has nothing else. */
export function genesisJobs(state: StateTree): JobBlobs[] {
  return allJobs(state).map(({ job, round }) => ({
    index: job.index,
    stepGraph: toHex(job.step_graph),
    evalGraph: toHex(job.eval_graph),
    dataset: toHex(job.dataset),
    holdout: toHex(job.holdout),
    // A state that was exported from a running chain begins with weights that were trained: peers have those.
    initRoot: round.r === 0 ? toHex(round.theta) : undefined,
  }));
}

/** Registers graphs, initial weights and records of the genesis jobs; `data` is the operator's text, if any. */
export function provideGenesisBlobs(store: BlobStore, jobs: readonly JobBlobs[], data: string | undefined): void {
  const graphs = once(devGraphs);
  const text = once(() => corpus(data));
  for (const job of jobs) {
    const provide = (id: string, make: () => Bytes): void => store.provide(fromHex(id), make);
    provide(job.stepGraph, () => graphs().step);
    provide(job.evalGraph, () => graphs().evaluation);
    provide(job.dataset, () => text().train);
    provide(job.holdout, () => text().holdout);
    if (job.initRoot !== undefined) provide(job.initRoot, () => initialTheta(job.index));
  }
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
