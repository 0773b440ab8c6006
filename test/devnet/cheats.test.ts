/**
 * # Cheats: what re-execution is for. Alice trains honestly, Bob's fragments are false in one way each, and later
 * Charlie's checker accepts without executing.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, test } from 'node:test';
import { type Bytes, toHex } from '../../src/base/bytes.ts';
import { devIdentity } from '../../src/cli/commands/miner.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { JobEngine } from '../../src/miner/job-engine.ts';
import { type FragmentJson, type JobJson, seedOf } from '../../src/miner/wire.ts';
import { end, smallAssets, TestNetwork, until } from './network.ts';

interface DrawnJson {
  readonly segment: number;
  readonly checker: string;
  readonly start_root: string;
  readonly verdict: boolean | null;
  readonly digest: string | null;
}
type Known = Omit<FragmentJson, 'drawn'> & { readonly drawn: readonly DrawnJson[] };

const [alice, bob, charlie] = ['alice', 'bob', 'charlie'].map((name) => toHex(devIdentity(name).account)) as [
  string,
  string,
  string,
];
const ENDED = ['Accepted', 'Rejected', 'Expired'];
let network: TestNetwork;
let failed = false;

before(async () => {
  await installFastPaths();
  network = new TestNetwork(smallAssets());
  await network.addNode('alice');
  await network.seedBlobs();
  await network.addNode('bob');
  await network.addNode('charlie');
  network.addMiner('alice', 0);
  network.addProgram('cheating-miner', ['bob'], 1);
});

afterEach((context) => {
  failed ||= 'error' in context && context.error !== undefined && context.error !== null;
});

after(async () => {
  if (failed) console.error(network.logs());
  await network.stop();
});

const fragmentsOf = (account: string): Promise<Known[]> => network.rpc().call('compute_assignments', [account]);

/** What the cheating miner announced: a fragment's place to its cheat. */
function announced(): Map<string, string> {
  const cheats = new Map<string, string>();
  for (const [, text = ''] of readFileSync(network.others[0]?.log ?? '', 'utf8').matchAll(/^cheat (.*)$/gm)) {
    const { job, r, k, cheat } = JSON.parse(text) as { job: string; r: number; k: number; cheat: string };
    cheats.set(`${job}/${r}/${k}`, cheat);
  }
  return cheats;
}

test('a flipped bit, a skipped step, another batch and a false delta are each rejected, and nothing is paid', async () => {
  const verdicts = new Map<string, Set<string>>();
  let honest = 0;
  await until(
    async () => {
      const cheats = announced();
      for (const { job, r, k, status } of await fragmentsOf(bob)) {
        const cheat = cheats.get(`${job}/${r}/${k}`);
        if (!cheat || !ENDED.includes(status)) continue;
        verdicts.set(cheat, (verdicts.get(cheat) ?? new Set()).add(status));
      }
      honest = (await network.rpc().call<unknown[]>('compute_certificates', [alice])).length;
      const rejected = [...verdicts.values()].filter((seen) => seen.has('Rejected'));
      return rejected.length === 4 && honest > 0;
    },
    420_000,
    'a rejected fragment of each cheat, and an honest one that was accepted',
  );
  for (const [cheat, seen] of verdicts) assert.ok(!seen.has('Accepted'), `${cheat} was accepted`);
  assert.deepEqual(await network.rpc().call('compute_certificates', [bob]), []);
  type Explained = { paidCompute: string; paidAuthor: string };
  const paid = await network.rpc().call<Explained>('rewards_explain', [bob]);
  assert.deepEqual([BigInt(paid.paidCompute), BigInt(paid.paidAuthor)], [0n, 0n]);
  for (const node of [0, 1, 2]) {
    assert.equal((await network.rpc(node).call<{ exact: boolean }>('rewards_supplyAudit')).exact, true);
  }
});

test('who accepts without executing shows a digest that nobody who executes finds', async () => {
  const node = network.nodes[2];
  assert.ok(node);
  await end(node.child);
  node.restart(['--no-checker']);
  await until(async () => (await network.height(2)) > 0, 60_000, 'Charlie’s node is back');
  network.addProgram('lazy-checker', ['charlie'], 2);
  const before = new Set((await fragmentsOf(alice)).map(({ id }) => id));
  let found: { readonly fragment: Known; readonly lazy: DrawnJson; readonly honest: DrawnJson } | undefined;
  await until(
    async () => {
      for (const fragment of await fragmentsOf(alice)) {
        if (before.has(fragment.id)) continue;
        const said = fragment.drawn.filter(({ digest }) => digest !== null);
        const [lazy, honest] = [charlie, bob].map((who) => said.find(({ checker }) => checker === who));
        if (lazy && honest) found = { fragment, lazy, honest };
      }
      return found !== undefined;
    },
    300_000,
    'a fragment that Bob and Charlie both checked',
  );
  assert.ok(found);
  const { fragment, lazy, honest } = found;
  assert.equal(lazy.verdict, true);
  assert.equal(await digestOf(fragment, honest), honest.digest);
  assert.notEqual(await digestOf(fragment, lazy), lazy.digest);
});

/** Executes a segment as a second checker would. */
async function digestOf(fragment: Known, { segment, start_root }: DrawnJson): Promise<string> {
  const jobs = await network.rpc().call<JobJson[]>('compute_jobs');
  const job = jobs.find(({ id }) => id === fragment.job);
  assert.ok(job);
  const { graph, dataset } = network.assets;
  const engine = new JobEngine({ job, graph });
  const blobs = network.blobs(0);
  engine.load(segment === 0 ? engine.firstState(await blobs.getHex(fragment.theta)) : await blobs.getHex(start_root));
  const digest = createHash('sha256');
  const onOperand = (operand: Bytes): void => void digest.update(operand);
  for (let t = segment * job.segment_steps + 1; t <= (segment + 1) * job.segment_steps; t++) {
    engine.step(seedOf(fragment), t, dataset, { onOperand });
  }
  return toHex(digest.digest());
}
