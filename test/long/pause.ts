/**
 * # Pause: `npm run test:pause` stops a whole network for an hour (its clocks are put forward) and starts it again. The
 * difficulty must neither flood the chain with blocks nor stay wrong, and no work may be lost (DECISIONS.md section 7, 11).
 */
import assert from 'node:assert/strict';
import { toHex } from '../../src/base/bytes.ts';
import { devIdentity } from '../../src/cli/commands/miner.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import type { FragmentJson } from '../../src/miner/wire.ts';
import { end, smallAssets, TestNetwork, until } from '../devnet/network.ts';

const HOUR_MS = 3_600_000;
const BLOCK_MS = 3_000;
const ENDED = ['Accepted', 'Rejected', 'Expired'];

await installFastPaths();
const network = new TestNetwork(smallAssets({ blockTimeMs: BLOCK_MS, initialDifficulty: '15000000000' }));
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Milliseconds at which a block was made, by its author. */
async function timeOf(number: number): Promise<number> {
  const hash = await network.rpc().call<string>('chain_getBlockHash', [number]);
  return (await network.rpc().call<{ timestampMs: number }>('compute_difficulty', [hash])).timestampMs;
}

/** Real fragments that have not ended. */
async function openFragments(): Promise<string[]> {
  const accounts = ['alice', 'bob'].map((name) => toHex(devIdentity(name).account));
  const lists = accounts.map((account) => network.rpc().call<FragmentJson[]>('compute_assignments', [account]));
  const all = (await Promise.all(lists)).flat();
  return all.filter(({ status, overflow }) => !overflow && !ENDED.includes(status)).map(({ id }) => id);
}

try {
  await network.addNode('alice');
  await network.seedBlobs();
  await network.addNode('bob');
  await network.addNode('charlie');
  network.addMiner('alice', 0);
  network.addMiner('bob', 1);
  await until(async () => (await network.height()) >= 40, 300_000, 'forty blocks');
  await until(async () => (await openFragments()).length >= 3, 120_000, 'fragments in training and in verification');

  const open = await openFragments();
  await Promise.all([...network.miners, ...network.nodes].map(({ child }) => end(child)));
  network.clockAheadMs = HOUR_MS;
  for (const { restart } of [...network.nodes, ...network.miners]) restart();
  await until(async () => (await network.height()) > 0, 60_000, 'the network is back');
  const from = await network.height();
  console.log(`stopped at block ${from} with ${open.length} fragments in work; an hour later ...`);
  await pause(60_000);
  const burst = (await network.height()) - from;
  console.log(`${burst} blocks in the first minute (at most 60)`);
  assert.ok(burst <= 60 && burst > 0);

  const seen = new Map<string, string>();
  const look = async (): Promise<boolean> => {
    for (const id of open) {
      const fragment = await network.rpc().call<FragmentJson | null>('compute_fragment', [id]);
      if (fragment) seen.set(id, fragment.status);
    }
    return [...seen.values()].every((status) => ENDED.includes(status));
  };
  await until(look, 300_000, 'all of those fragments have ended');
  console.log(`the fragments of before: ${[...seen.values()].join(', ')}`);
  assert.ok(seen.size > 0 && [...seen.values()].every((status) => status === 'Accepted'));

  await until(async () => (await network.height()) >= from + 200, 1_800_000, 'two hundred blocks');
  const mean = ((await timeOf(from + 200)) - (await timeOf(from + 100))) / 100;
  console.log(`mean block time of blocks 100 to 200: ${(mean / 1_000).toFixed(2)} s (1.5 to 6)`);
  assert.ok(mean >= BLOCK_MS / 2 && mean <= BLOCK_MS * 2);
  console.log('1 passed, 0 failed');
} catch (error) {
  console.error(network.logs());
  throw error;
} finally {
  await network.stop();
}
