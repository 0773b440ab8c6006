/**
 * # A small network: three nodes, two miners, three checkers as processes on 127.0.0.1, with a job whose rounds take
 * seconds. One network serves all tests of this file, in order: each is a sentence about what just happened to it.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, afterEach, before, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { type Bytes, toHex } from '../../src/base/bytes.ts';
import { devIdentity } from '../../src/cli/commands/miner.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import type { FragmentJson, JobJson } from '../../src/miner/wire.ts';
import { smallAssets, TestNetwork, until } from './network.ts';
import type { Replay, Win } from './replay.ts';

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

interface BlockJson extends Win {
  readonly author: string;
  readonly fragment: string;
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
  // Thirty steps of one fragment on sixty-four held-out records: a single round may also lose a little.
  const falls = (rounds: { loss: number }[]): boolean => rounds.some(({ loss }) => loss < (rounds[0]?.loss ?? 0));
  await until(async () => falls(await finals()), 300_000, 'a later round that is better than the first');
  const [first] = await finals();
  assert.ok(first && first.accepted >= 1);
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

/** When the miners were stopped, and the height when what they had found by then had arrived. */
let stopped: { readonly at: number; readonly height: number };

test('the operands of every won block are found again by executing its step in plain JavaScript', async () => {
  // Their cores are needed here.
  for (const { child } of network.miners) child.kill('SIGSTOP');
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  const height = await network.height();
  stopped = { at: performance.now(), height };
  const fragments = new Map<string, { fragment: FragmentJson; theta: Bytes; wins: BlockJson[] }>();
  for (let n = 1; n <= height; n++) {
    const hash = await network.rpc().call<string>('chain_getBlockHash', [n]);
    const won = await network.rpc().call<BlockJson>('compute_block', [hash]);
    const known = fragments.get(won.fragment);
    if (known !== undefined) {
      known.wins.push(won);
      continue;
    }
    const fragment = await network.rpc().call<FragmentJson>('compute_fragment', [won.fragment, hash]);
    fragments.set(won.fragment, { fragment, theta: await network.blobs(0).getHex(fragment.theta), wins: [won] });
  }
  // The three jobs share all that a step depends on, beside its fragment.
  const [job] = await network.rpc().call<JobJson[]>('compute_jobs');
  assert.ok(job);
  const { graph, dataset } = network.assets;
  const all = [...fragments.values()];
  const halves = [0, 1].map((half) => all.filter((_, i) => i % 2 === half));
  const found = await Promise.all(halves.map((half) => replay({ job, graph, dataset, fragments: half })));
  assert.equal(
    found.reduce((a, b) => a + b, 0),
    height,
  );
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
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, stopped.at + 30_000 - performance.now())));
  assert.equal(await network.height(), stopped.height);
  for (const { child } of network.miners) child.kill('SIGCONT');
  await until(async () => (await network.height()) > stopped.height, 60_000, 'blocks after the pause');
});

/** Executes the fragments in a thread; resolves to the wins that it found again. */
function replay(workerData: Replay): Promise<number> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL('./replay.ts', import.meta.url), { workerData });
    thread.once('message', resolve);
    thread.once('error', reject);
  });
}
