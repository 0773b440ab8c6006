/**
 * # Kills: `npm run test:kills` ends processes of a small network with SIGKILL, 20 times at random moments that hit
 * imports, writes, fragments in training and open duties, and checks after each that the process is back within 20 s,
 * that nothing final is lost, and that every unit is accounted for (DECISIONS.md section 7, 10).
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { toHex } from '../../src/base/bytes.ts';
import { devIdentity } from '../../src/cli/commands/miner.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import type { WorkJson } from '../../src/miner/wire.ts';
import { type Process, smallAssets, TestNetwork, until } from '../devnet/network.ts';

const KILLS = Number(process.argv[2] ?? 20);
const seed = Number(process.argv[3] ?? Date.now() % 100_000);
let state = seed;
/** A small generator, so that a run can be repeated by its seed. */
const random = (): number => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return state / 2 ** 32;
};

await installFastPaths();
const network = new TestNetwork(smallAssets());
const counts = { import: 0, miner: 0, checker: 0 };
const resumed: string[] = [];

try {
  await network.addNode('alice');
  await network.seedBlobs();
  await network.addNode('bob');
  await network.addNode('charlie');
  network.addMiner('alice', 0);
  network.addMiner('bob', 1);
  await until(async () => (await network.height()) >= 10, 120_000, 'ten blocks');
  console.log(`seed ${seed}: ${KILLS} kills`);
  for (let i = 0; i < KILLS; i++) {
    // Six in twenty miners, four checkers, the rest nodes.
    const kind = i % 10 < 3 ? 'miner' : i % 10 < 5 ? 'checker' : 'node';
    if (kind === 'miner') await killMiner(i);
    else if (kind === 'checker') await killChecker(i);
    else await killNode(i);
    await settle();
  }
  for (const id of resumed) await seeAccepted(id);
  console.log(`kills by what they hit: ${JSON.stringify(counts)}; fragments finished after a kill: ${resumed.length}`);
  const enough = counts.import * 20 >= 5 * KILLS && counts.miner * 20 >= 4 * KILLS && counts.checker * 20 >= 2 * KILLS;
  assert.ok(enough, 'the kills hit too little: run again with another seed');
  console.log('1 passed, 0 failed');
} catch (error) {
  console.error(network.logs());
  throw error;
} finally {
  await network.stop();
}

async function killNode(i: number): Promise<void> {
  const index = Math.floor(random() * 3);
  const node = network.nodes[index];
  assert.ok(node);
  const witness = (index + 1) % 3;
  const final = await finalOf(witness);
  // A new head elsewhere is being imported, executed and written here within the next milliseconds.
  const height = await network.height(witness);
  await until(async () => (await network.height(witness)) > height, 60_000, 'a new block');
  await pause(random() * 12);
  report(i, `node ${node.name}`, node.child.pid, `import and write of block ${height + 1}`);
  counts.import++;
  node.child.kill('SIGKILL');
  await pause(300 + random() * 500);
  node.restart();
  await until(async () => (await network.height(index)) >= height, 20_000, `${node.name} follows`);
  assert.equal(await network.rpc(index).call('chain_getBlockHash', [final.number]), final.hash);
}

async function killMiner(i: number): Promise<void> {
  const index = Math.floor(random() * network.miners.length);
  const miner = network.miners[index];
  assert.ok(miner);
  const account = toHex(devIdentity(miner.name.replace('miner-', '')).account);
  const training = (): string | undefined => {
    const lines = readFileSync(miner.log, 'utf8').trim().split('\n').slice(-40);
    for (const line of lines.reverse()) {
      const said = JSON.parse(line) as { type: string; fragment?: string; overflow?: boolean };
      if (said.type === 'training' && said.overflow === false) return said.fragment;
      if (said.type === 'sent' || said.type === 'training') return undefined;
    }
    return undefined;
  };
  await until(() => training() !== undefined, 90_000, `${miner.name} trains a real fragment`);
  const fragment = training() as string;
  await pause(random() * 800);
  report(i, miner.name, miner.child.pid, `training of fragment ${fragment.slice(0, 10)}`);
  counts.miner++;
  miner.child.kill('SIGKILL');
  await pause(200);
  miner.restart();
  resumed.push(fragment);
  await until(
    async () => {
      const work = await network.rpc(index).call<WorkJson>('miner_status', [account]);
      return work.fragments.find((f) => f.id === fragment)?.status !== 'Assigned';
    },
    90_000,
    'the same fragment is claimed',
  );
}

async function killChecker(i: number): Promise<void> {
  const names = ['alice', 'bob', 'charlie'];
  let victim = -1;
  await until(
    async () => {
      for (const [index, name] of names.entries()) {
        const account = toHex(devIdentity(name).account);
        const { duties } = await network.rpc(index).call<{ duties: number }>('miner_status', [account]);
        if (duties > 0) victim = index;
      }
      return victim >= 0;
    },
    120_000,
    'a checker has duties',
  );
  const node = network.nodes[victim];
  assert.ok(node);
  const pid = checkerOf(node) ?? assert.fail('a checker with duties runs');
  report(i, `checker ${names[victim]}`, pid, 'open duties');
  counts.checker++;
  process.kill(pid, 'SIGKILL');
  // The node starts it again by itself.
  await until(() => ![undefined, pid].includes(checkerOf(node)), 20_000, 'the checker is back');
}

/** The process of a node's checker while it runs. */
function checkerOf({ child }: Process): number | undefined {
  // Ends with 1 while there is no child at all.
  const args = ['-o', 'pid=,args=', '--ppid', String(child.pid)];
  const { stdout } = spawnSync('ps', args, { encoding: 'utf8' });
  const row = stdout.split('\n').find((line) => line.includes(' checker '));
  return row === undefined ? undefined : Number.parseInt(row.trim(), 10);
}

async function seeAccepted(fragment: string): Promise<void> {
  const status = async () =>
    (await network.rpc(1).call<{ status: string } | null>('compute_fragment', [fragment]))?.status;
  // A fragment of a round long past is forgotten: then it was judged before.
  await until(async () => ['Accepted', undefined].includes(await status()), 120_000, `${fragment} is accepted`);
}

async function settle(): Promise<void> {
  for (const node of [0, 1, 2]) {
    await until(() => network.rpc(node).connected, 20_000, 'every node answers');
    const audit = await network.rpc(node).call<{ exact: boolean }>('rewards_supplyAudit');
    assert.equal(audit.exact, true);
  }
}

async function finalOf(node: number): Promise<{ hash: string; number: number }> {
  const hash = await network.rpc(node).call<string>('chain_getFinalizedHead');
  const { number } = await network.rpc(node).call<{ number: string }>('chain_getHeader', [hash]);
  return { hash, number: Number.parseInt(number, 16) };
}

function report(i: number, who: string, pid: number | undefined, during: string): void {
  console.log(`kill ${i + 1}/${KILLS}: signal 9 to ${who}, pid ${pid}, during ${during}`);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
