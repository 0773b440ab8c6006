/**
 * # Finality: `npm run test:finality` runs four validators as processes on 127.0.0.1 and takes them away again.
 *
 * How far finality lags behind; one killed: it goes on; two killed: blocks go on, finality stops and RPC says who is
 * missing, and it resumes when they return; two against two without a way between them: nothing is final on either side,
 * and one head after they meet. `-- --partition-minutes 1` shortens the last part (5).
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { ss58Encode } from '../../src/crypto/ss58.ts';
import { keypairFromSuri } from '../../src/crypto/suri.ts';
import { end, until } from '../devnet/network.ts';
import { finalOf, heightOf, lagOver, meet, part, sleep, type Validator, Validators } from './validators.ts';

const BLOCK_MS = 2_000;
const LAG_P95 = 2;
const RESUMES_MS = 60_000;
const ONE_HEAD_MS = 30_000;
/** What a node may have grown by while finality stood still: its window of unfinalized blocks. */
const GROWTH_MB = 64;

const flag = process.argv.indexOf('--partition-minutes');
const partitionMs = (flag < 0 ? 5 : Number(process.argv[flag + 1])) * 60_000;

const headOf = ({ rpc }: Validator): Promise<string> => rpc.call<string>('chain_getBlockHash');

/** Resident memory of a validator's process. */
function residentMb({ child }: Validator): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1_024;
}

interface StageJson {
  readonly missing: readonly string[];
}

/** Whose votes of the round under way are missing, as RPC says: keys of votes. */
async function missing({ rpc }: Validator): Promise<{ readonly prevotes: StageJson; readonly precommits: StageJson }> {
  const { best } = await rpc.call<{ best: { prevotes: StageJson; precommits: StageJson } }>('grandpa_roundState');
  return best;
}

/** The key of a validator's votes, as RPC writes it. */
async function voterOf({ name }: Validator, { rpc }: Validator): Promise<string> {
  const { ss58Format } = await rpc.call<{ ss58Format: number }>('system_properties');
  return ss58Encode(keypairFromSuri(`//${name}//grandpa`, 'ed25519').publicKey, ss58Format);
}

function say(text: string): void {
  console.log(`${new Date().toISOString().slice(11, 19)} ${text}`);
}

const network = new Validators(BLOCK_MS);
const validators = network.all;
try {
  await installFastPaths();
  await network.start();
  const [alice, bob, charlie, dave] = validators as [Validator, Validator, Validator, Validator];

  const all = await lagOver(60_000, validators);
  say(`four of four: lag p95 ${all.p95} blocks of ${all.samples} samples (at most ${LAG_P95})`);
  assert.ok(all.p95 <= LAG_P95);

  await end(bob.child, 'SIGKILL');
  const before = await finalOf(alice);
  const three = await lagOver(40_000, [alice, charlie, dave]);
  const gained = (await finalOf(alice)) - before;
  say(`three of four: ${gained} more final blocks, lag p95 ${three.p95}`);
  assert.ok(gained >= 10);

  await end(charlie.child, 'SIGKILL');
  await sleep(5_000);
  const [stoppedAt, bestThen] = [await finalOf(alice), await heightOf(alice)];
  const memory = [alice, dave].map(residentMb);
  await sleep(60_000);
  const blocks = (await heightOf(alice)) - bestThen;
  assert.equal(await finalOf(alice), stoppedAt, 'nothing is final by half of the votes');
  assert.ok(blocks >= 10, `${blocks} blocks in a minute`);
  // Whoever was killed in the middle of a round may have prevoted in it; then its precommit is missing.
  const absent = await missing(alice);
  for (const gone of [bob, charlie]) assert.ok(absent.precommits.missing.includes(await voterOf(gone, alice)));
  for (const here of [alice, dave]) assert.ok(!absent.prevotes.missing.includes(await voterOf(here, alice)));
  const growth = [alice, dave].map((one, i) => Math.round(residentMb(one) - (memory[i] as number)));
  say(`two of four: ${blocks} blocks, none final; RPC names the missing voters; memory +${growth.join(', +')} MB`);
  assert.ok(Math.max(...growth) <= GROWTH_MB);

  await network.restart(bob);
  await network.restart(charlie);
  const back = performance.now();
  await until(async () => (await heightOf(alice)) - (await finalOf(alice)) <= LAG_P95, RESUMES_MS, 'finality resumes');
  await until(async () => (await finalOf(bob)) > stoppedAt, RESUMES_MS, 'who came back follows');
  say(`they are back: finality resumed after ${((performance.now() - back) / 1_000).toFixed(1)} s (at most 60)`);

  for (const a of [alice, bob]) for (const b of [charlie, dave]) await Promise.all([part(a, b), part(b, a)]);
  await sleep(5_000);
  const sides = await Promise.all(validators.map(finalOf));
  const apartFrom = await Promise.all([heightOf(alice), heightOf(dave)]);
  await sleep(partitionMs);
  assert.deepEqual(await Promise.all(validators.map(finalOf)), sides, 'nothing is final on either side');
  const grown = [(await heightOf(alice)) - apartFrom[0], (await heightOf(dave)) - apartFrom[1]];
  assert.ok(Math.min(...grown) > 0 && (await headOf(alice)) !== (await headOf(dave)));
  say(`two against two for ${partitionMs / 60_000} min: ${grown.join(' and ')} blocks, none final`);

  for (const a of [alice, bob]) for (const b of [charlie, dave]) await Promise.all([meet(a, b), meet(b, a)]);
  const healed = performance.now();
  const oneChain = async (): Promise<boolean> => {
    const height = Math.min(...(await Promise.all(validators.map((one) => heightOf(one))))) - 1;
    const hashes = validators.map(({ rpc }) => rpc.call<string>('chain_getBlockHash', [height]));
    return new Set(await Promise.all(hashes)).size === 1;
  };
  await until(oneChain, ONE_HEAD_MS, 'one chain on all four');
  say(`healed: one chain after ${((performance.now() - healed) / 1_000).toFixed(1)} s (at most 30)`);
  await until(async () => (await finalOf(alice)) > Math.max(...sides), RESUMES_MS, 'finality after the partition');
  say(`finality after ${((performance.now() - healed) / 1_000).toFixed(1)} s`);
  console.log('1 passed, 0 failed');
} catch (error) {
  console.error(network.logs());
  throw error;
} finally {
  await network.stop();
}
