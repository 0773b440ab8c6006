/**
 * # Replay: executes the steps that won blocks again, in plain JavaScript, and counts the operands that it finds.
 *
 * A worker thread: it is given some fragments with their wins, and answers with how many of them it found, or throws.
 */
import assert from 'node:assert/strict';
import { parentPort, workerData } from 'node:worker_threads';
import { must } from '../../src/base/assert.ts';
import { type Bytes, equal, fromHex } from '../../src/base/bytes.ts';
import { referenceKernels } from '../../src/compute/canonical/reference.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { JobEngine } from '../../src/miner/job-engine.ts';
import { type FragmentJson, type JobJson, seedOf } from '../../src/miner/wire.ts';

/** A won block as `compute_block` tells it. */
export interface Win {
  readonly number: number;
  readonly step: number;
  readonly node: number;
  readonly rootA: string;
  readonly rootB: string;
}

/** What the thread is given. */
export interface Replay {
  readonly job: JobJson;
  readonly graph: Bytes;
  readonly dataset: Bytes;
  readonly fragments: readonly {
    readonly fragment: FragmentJson;
    readonly theta: Bytes;
    readonly wins: readonly Win[];
  }[];
}

const { job, graph, dataset, fragments } = workerData as Replay;
await installFastPaths();
// The fast engine leads to the step; plain JavaScript must multiply there what the block was won with.
const fast = new JobEngine({ job, graph });
const plain = new JobEngine({ job, graph, kernels: referenceKernels(1) });
let found = 0;
for (const { fragment, theta, wins } of fragments) {
  fast.load(fast.firstState(theta));
  const last = Math.max(...wins.map(({ step }) => step));
  for (let t = 1; t <= last; t++) {
    const here = wins.filter(({ step }) => step === t);
    if (here.length > 0) plain.load(fast.state());
    const operands = here.length > 0 ? plain.step(seedOf(fragment), t, dataset).operands : [];
    for (const { number, node, rootA, rootB } of here) {
      const roots = operands[node];
      assert.ok(roots && equal(roots[0], fromHex(rootA)), `rootA of block ${number}`);
      assert.ok(equal(roots[1], fromHex(rootB)), `rootB of block ${number}`);
      found++;
    }
    fast.step(seedOf(fragment), t, dataset, { withoutRoots: true });
  }
}
must(parentPort ?? undefined, 'a worker thread').postMessage(found);
