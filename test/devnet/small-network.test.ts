/**
 * # A small network: three nodes, two miners, three checkers as processes on 127.0.0.1, with a job whose rounds take
 * seconds. One network serves all tests of this file, in order: each is a sentence about what just happened to it.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, afterEach, before, test } from 'node:test';
import { equal, fromHex, toHex } from '../../src/base/bytes.ts';
import { devIdentity } from '../../src/cli/commands/miner.ts';
import { referenceKernels } from '../../src/compute/canonical/reference.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { JobEngine } from '../../src/miner/job-engine.ts';
import type { FragmentJson, JobJson } from '../../src/miner/wire.ts';
import { seedOf } from '../../src/miner/wire.ts';
import { smallAssets, TestNetwork, until } from './network.ts';

let network: TestNetwork;

before(async () => {
  await installFastPaths();
  network = new TestNetwork(smallAssets());
  await network.addNode('alice');
  await network.seedBlobs();
  await network.addNode('bob');
  await network.addNode('charlie');
  network.addMiner('alice', 0);
  network.addMiner('bob', 1);
});

let failed = false;
afterEach((context) => {
  failed ||= 'error' in context && context.error !== undefined && context.error !== null;
});

after(async () => {
  if (failed) console.error(network.logs());
  await network.stop();
});

interface BlockJson {
  readonly number: number;
  readonly author: string;
  readonly fragment: string;
  readonly step: number;
  readonly node: number;
  readonly rootA: string;
  readonly rootB: string;
}

const block = async (number: number): Promise<BlockJson> => {
  const hash = await network.rpc().call<string>('chain_getBlockHash', [number]);
  return await network.rpc().call<BlockJson>('compute_block', [hash]);
};
const audit = (node = 0) =>
  network.rpc(node).call<{ exact: boolean; sum: string; genesis: string }>('rewards_supplyAudit');

test('blocks are won by the training of both miners, and the three nodes agree', async () => {
  await until(async () => (await network.height()) >= 12, 120_000, 'twelve blocks');
  const authors = new Set<string>();
  for (let n = 1; n <= 12; n++) authors.add((await block(n)).author);
  assert.equal(authors.size, 2);
  await until(
    async () => {
      const height = Math.min(await network.height(0), await network.height(1), await network.height(2));
      const hashes = await Promise.all(
        [0, 1, 2].map((node) => network.rpc(node).call<string>('chain_getBlockHash', [Math.max(0, height - 1)])),
      );
      return new Set(hashes).size === 1;
    },
    30_000,
    'one chain on three nodes',
  );
});

test('a round is merged by the agreement of checkers, and the held-out loss falls', async () => {
  const finals = async (): Promise<{ loss: number; accepted: number }[]> => {
    const jobs = await network.rpc().call<JobJson[]>('compute_jobs');
    const job = jobs[0] as JobJson;
    const rounds = [];
    for (let r = 0; r < job.round.r; r++) {
      const round = await network
        .rpc()
        .call<{ phase: string; loss: number; accepted: number }>('compute_round', [job.id, r]);
      if (round.phase === 'Final') rounds.push(round);
    }
    return rounds;
  };
  await until(async () => (await finals()).length >= 2, 300_000, 'two final rounds');
  const [first, second] = await finals();
  assert.ok(first && second);
  assert.ok(first.accepted >= 1);
  assert.ok(second.loss < first.loss, `${second.loss} after ${first.loss}`);
  assert.ok(first.loss < Math.log(256));
});

test('accepted work is certified and paid, and every unit is accounted for', async () => {
  const alice = toHex(devIdentity('alice').account);
  type Explained = { paid: string; paidCompute: string };
  const explained = () => network.rpc().call<Explained>('rewards_explain', [alice]);
  await until(async () => BigInt((await explained()).paidCompute) > 0n, 60_000, 'Alice is paid for training');
  const [certificate] = await network
    .rpc()
    .call<{ cu: number; verification: { segments: number[] } }[]>('compute_certificates', [alice]);
  assert.ok(certificate && certificate.cu > 0 && certificate.verification.segments.length > 0);
  const holder = await network.rpc().call<Explained>('rewards_explain', [toHex(devIdentity('ferdie').account)]);
  assert.equal(BigInt(holder.paid), 0n);
  for (const node of [0, 1, 2]) assert.equal((await audit(node)).exact, true);
});

test('the operands of every won block are found again by executing its step in plain JavaScript', async () => {
  // Their cores are needed here.
  for (const { child } of network.miners) child.kill('SIGSTOP');
  const height = await network.height();
  const wins = new Map<string, { fragment: FragmentJson; blocks: BlockJson[] }>();
  for (let n = 1; n <= height; n++) {
    const hash = await network.rpc().call<string>('chain_getBlockHash', [n]);
    const won = await network.rpc().call<BlockJson>('compute_block', [hash]);
    const fragment = await network.rpc().call<FragmentJson>('compute_fragment', [won.fragment, hash]);
    const { blocks } = wins.get(won.fragment) ?? { blocks: [] };
    wins.set(won.fragment, { fragment, blocks: [...blocks, won] });
  }
  const { graph, dataset } = network.assets;
  // The three jobs share all that a step depends on, beside its fragment.
  const [job] = await network.rpc().call<JobJson[]>('compute_jobs');
  assert.ok(job);
  // The fast engine leads to the step; plain JavaScript must multiply there what the block was won with.
  const fast = new JobEngine({ job, graph });
  const plain = new JobEngine({ job, graph, kernels: referenceKernels(1) });
  let found = 0;
  for (const { fragment, blocks } of wins.values()) {
    fast.load(fast.firstState(await network.blobs(0).getHex(fragment.theta)));
    const last = Math.max(...blocks.map(({ step }) => step));
    for (let t = 1; t <= last; t++) {
      const here = blocks.filter(({ step }) => step === t);
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
  assert.equal(found, height);
  for (const { child } of network.miners) child.kill('SIGCONT');
});

test('no process can read the directory of another', async () => {
  const processes = [...network.nodes, ...network.miners];
  for (const { permissions, dir } of processes) {
    for (const other of processes) {
      const script = `require('node:fs').readdirSync(${JSON.stringify(other.dir)})`;
      const env = { ...process.env, NODE_OPTIONS: permissions };
      const { status, stderr } = spawnSync(process.execPath, ['-e', script], { env, encoding: 'utf8' });
      if (other.dir === dir) assert.equal(status, 0, stderr);
      else assert.match(stderr, /ERR_ACCESS_DENIED/);
    }
  }
});

test('without miners no block appears, and blocks come back with them', async () => {
  for (const { child } of network.miners) child.kill('SIGSTOP');
  // What was found before the stop may still arrive.
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  const stopped = await network.height();
  await new Promise((resolve) => setTimeout(resolve, 30_000));
  assert.equal(await network.height(), stopped);
  for (const { child } of network.miners) child.kill('SIGCONT');
  await until(async () => (await network.height()) > stopped, 60_000, 'blocks after the pause');
});
