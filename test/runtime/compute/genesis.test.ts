import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as compute from '../../../src/runtime/compute-view.ts';
import { ConfigError } from '../../../src/runtime/config.ts';
import type { JobSpec } from '../../../src/runtime/pallets/jobs/state.ts';
import { jobId } from '../../../src/runtime/pallets/jobs.ts';
import { ComputeChain, smallJob } from '../compute-chain.ts';

test('a job that could not be run is refused in the chain spec, with its place and its fault', () => {
  const cases: [Partial<JobSpec>, RegExp][] = [
    [{ segment_steps: 3 }, /publicJobs\[1\].*segments/],
    [{ segment_steps: 0 }, /publicJobs\[1\].*segments/],
    [{ steps: 300, segment_steps: 1 }, /publicJobs\[1\].*segments/],
    [{ profile: 1 }, /publicJobs\[1\].*profile/],
    [{ mined_nodes: [{ m: 10, n: 10, k: 256 }] }, /publicJobs\[1\].*mined/],
    [{ mined_nodes: [] }, /publicJobs\[1\].*mined/],
    [{ fragments_per_round: 0 }, /publicJobs\[1\].*fragmentsPerRound/],
    [{ fragments_per_round: 65 }, /publicJobs\[1\].*fragmentsPerRound/],
    [{ n_records: 100 }, /publicJobs\[1\].*records/],
  ];
  for (const [changes, fault] of cases) {
    const make = (): unknown => new ComputeChain({ jobs: [smallJob(0), smallJob(1, changes)] });
    assert.throws(make, (error) => error instanceof ConfigError && fault.test(error.message), JSON.stringify(changes));
  }
  assert.throws(() => new ComputeChain({ checkers: 0 }), /jobs.checkers/);
});

test('a job’s place in the list is part of what it is', () => {
  const chain = new ComputeChain({ jobs: [smallJob(7), smallJob(7)] });
  const jobs = compute.allJobs(chain.view);
  assert.deepEqual(
    jobs.map(({ job }) => job.index),
    [0, 1],
  );
  for (const { id, job } of jobs) assert.deepEqual(id, jobId(job));
});

test('rounds of staggered jobs open one after the other', () => {
  const chain = new ComputeChain();
  const opened: (readonly number[])[] = [];
  while (chain.number < 20) {
    chain.run(1, { claims: () => false });
    const training = compute.allJobs(chain.view).filter(({ round }) => round.phase.type === 'Train');
    opened.push(training.map(({ job }) => job.index));
  }
  assert.deepEqual(opened[6], [0]);
  assert.deepEqual(opened[7], [0, 1]);
  assert.deepEqual(opened[14], [0, 1]);
  assert.deepEqual(opened[15], [0, 1, 2]);
});
