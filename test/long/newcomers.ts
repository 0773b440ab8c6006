/**
 * # Newcomers and kills on a small network: `npm run test:network`. A newcomer registers by work; killed processes come back.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { toHex } from '../../src/base/bytes.ts';
import { devIdentity } from '../../src/cli/commands/miner.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { end, smallAssets, TestNetwork, until } from '../devnet/network.ts';

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
  await until(async () => (await network.height()) >= 12, 120_000, 'twelve blocks');
});

after(async () => {
  console.error(network.logs());
  await network.stop();
});

const audit = (node = 0) => network.rpc(node).call<{ exact: boolean }>('rewards_supplyAudit');

test('a miner that is in no genesis list and owns nothing registers by work, trains and is paid', async () => {
  network.addMiner('dave', 2);
  const dave = toHex(devIdentity('dave').account);
  await until(async () => (await network.rpc().call('compute_author', [dave])) !== null, 150_000, 'Dave is an author');
  await until(
    async () => BigInt((await network.rpc().call<{ paidCompute: string }>('rewards_explain', [dave])).paidCompute) > 0n,
    240_000,
    'Dave is paid for training',
  );
  assert.equal((await audit()).exact, true);
});

test('a node, a miner and a checker that are killed come back within 20 s, and nothing final is lost', async () => {
  const before = await network.rpc().call<string>('chain_getFinalizedHead');
  const number = Number.parseInt(
    (await network.rpc().call<{ number: string }>('chain_getHeader', [before])).number,
    16,
  );
  for (const victim of [network.nodes[2], network.nodes[0], network.miners[0]]) {
    assert.ok(victim);
    await end(victim.child, 'SIGKILL');
    assert.equal(victim.child.signalCode, 'SIGKILL');
    victim.restart();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
  await until(
    async () => (await network.height(0)) > number && (await network.height(2)) > number,
    20_000,
    'both follow',
  );
  for (const node of [0, 2]) {
    assert.equal(await network.rpc(node).call<string>('chain_getBlockHash', [number]), before);
  }
  const height = await network.height(1);
  await until(async () => (await network.height(0)) > height + 2, 60_000, 'the chain goes on');
  assert.equal((await audit()).exact, true);
});

test('a node that was told to stop ends with code 0 and has warned about nothing', async () => {
  const bob = network.nodes[1];
  assert.ok(bob);
  await end(bob.child);
  assert.equal(bob.child.exitCode, 0);
  assert.doesNotMatch(readFileSync(bob.log, 'utf8'), /fatal:|invariant/);
});
