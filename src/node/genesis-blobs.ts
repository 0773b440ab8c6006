/** # Genesis blobs: what block 0 refers to, made when it is first asked for and never before. */
import { type Bytes, fromHex } from '../base/bytes.ts';
import type { BlobStore } from '../blobs/store.ts';
import type { PublicJobConfig } from './chain-spec.ts';
import { corpus, devGraphs, initialTheta } from './job-assets.ts';

/** Whether this tree makes the jobs of the chain with this id. */
export function isShipped(id: string): boolean {
  return id === 'dev' || id === 'local';
}

/** Registers graphs, initial weights and records of the genesis jobs; `data` is the operator's text, if any. */
export function provideGenesisBlobs(
  store: BlobStore,
  jobs: readonly PublicJobConfig[],
  data: string | undefined,
): void {
  const graphs = once(devGraphs);
  const text = once(() => corpus(data));
  for (const job of jobs) {
    const provide = (id: string, make: () => Bytes): void => store.provide(fromHex(id), make);
    provide(job.stepGraph, () => graphs().step);
    provide(job.evalGraph, () => graphs().evaluation);
    provide(job.dataset, () => text().train);
    provide(job.holdout, () => text().holdout);
    provide(job.initRoot, () => initialTheta(job.index));
  }
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
