/**
 * # Finality: `npm run test:finality` runs four validators as processes on 127.0.0.1 and takes them away again.
 *
 * How far finality lags behind; one killed: it goes on; two killed: blocks go on, finality stops and RPC says who is
 * missing, and it resumes when they return; two against two without a way between them: nothing is final on either side,
 * and one head after they meet. `-- --partition-minutes 1` shortens the last part (5).
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex } from '../../src/base/bytes.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { ss58Encode } from '../../src/crypto/ss58.ts';
import { keypairFromSuri } from '../../src/crypto/suri.ts';
import type { Scheme } from '../../src/crypto/verify.ts';
import { RpcClient } from '../../src/miner/rpc-client.ts';
import { peerIdOf } from '../../src/p2p/host.ts';
import { freePort } from '../bench/server.ts';
import { end, until } from '../devnet/network.ts';
import { DevMiner, easySpec } from '../rpc/dev-node.ts';

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');
const NAMES = ['Alice', 'Bob', 'Charlie', 'Dave'] as const;
const BLOCK_MS = 2_000;
const LAG_P95 = 2;
const RESUMES_MS = 60_000;
const ONE_HEAD_MS = 30_000;
/** What a node may have grown by while finality stood still: its window of unfinalized blocks. */
const GROWTH_MB = 64;

const flag = process.argv.indexOf('--partition-minutes');
const partitionMs = (flag < 0 ? 5 : Number(process.argv[flag + 1])) * 60_000;

interface Validator {
  readonly name: string;
  readonly args: readonly string[];
  readonly address: string;
  readonly peerId: string;
  readonly rpcPort: number;
  readonly log: string;
  child: ChildProcess;
  rpc: RpcClient;
}

const dir = mkdtempSync(join(tmpdir(), 'maitoken-finality-'));
const validators: Validator[] = [];
const miners: DevMiner[] = [];
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function launch(args: readonly string[], log: string): ChildProcess {
  const child = spawn(process.execPath, ['--no-warnings', MAIN, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  const sink = createWriteStream(log, { flags: 'a' });
  child.stdout?.pipe(sink, { end: false });
  child.stderr?.pipe(sink, { end: false });
  return child;
}

async function start(index: number, spec: string): Promise<void> {
  const name = NAMES[index] as string;
  const [rpcPort, port] = [await freePort(), await freePort()];
  const seed = new Uint8Array(32).fill(index + 1);
  const where = ['--base-path', join(dir, name), '--rpc-port', String(rpcPort), '--port', String(port)];
  const alone = ['--no-mdns', '--no-miner', '--no-checker', '--reserved-only', '--rpc-methods', 'unsafe'];
  const key = ['--node-key', toHex(seed).slice(2)];
  const args = ['node', '--end-with-parent', '--chain', spec, `--${name.toLowerCase()}`, ...where, ...alone, ...key];
  const log = join(dir, `${name}.log`);
  const peerId = await peerIdOf(seed);
  const address = `/ip4/127.0.0.1/tcp/${port}/p2p/${peerId}`;
  const rpc = new RpcClient(`ws://127.0.0.1:${rpcPort}`);
  validators.push({ name, args, address, peerId, rpcPort, log, child: launch(args, log), rpc });
  await until(() => rpc.connected, 30_000, `${name} answers`);
}

/** Starts a killed validator again; what it reserved by RPC it has forgotten. */
async function restart(validator: Validator): Promise<void> {
  validator.child = launch(validator.args, validator.log);
  await until(() => validator.rpc.connected, 30_000, `${validator.name} answers again`);
  for (const other of validators) if (other !== validator) await meet(validator, other);
}

const meet = (a: Validator, b: Validator): Promise<unknown> => a.rpc.call('system_addReservedPeer', [b.address]);
const part = (a: Validator, b: Validator): Promise<unknown> => a.rpc.call('system_removeReservedPeer', [b.peerId]);

async function heightOf({ rpc }: Validator, hash?: string): Promise<number> {
  const header = await rpc.call<{ number: string }>('chain_getHeader', hash === undefined ? [] : [hash]);
  return Number.parseInt(header.number, 16);
}

const finalOf = async (one: Validator): Promise<number> =>
  heightOf(one, await one.rpc.call<string>('chain_getFinalizedHead'));

const headOf = ({ rpc }: Validator): Promise<string> => rpc.call<string>('chain_getBlockHash');

/** Resident memory of a validator's process. */
function residentMb({ child }: Validator): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1_024;
}

/** How many blocks finality is behind the best block, sampled over a time; the 95th percentile. */
async function lagOver(ms: number, of: readonly Validator[]): Promise<{ p95: number; samples: number }> {
  const lags: number[] = [];
  for (const until = performance.now() + ms; performance.now() < until; await sleep(250)) {
    for (const one of of) {
      const [best, final] = [await heightOf(one), await finalOf(one)];
      lags.push(best - final);
    }
  }
  lags.sort((a, b) => a - b);
  return { p95: lags[Math.floor(lags.length * 0.95)] ?? 0, samples: lags.length };
}

/** Voters whose prevotes of the round under way are missing, as RPC says. */
async function missing({ rpc }: Validator): Promise<string[]> {
  const state = await rpc.call<{ best: { prevotes: { missing: string[] } } }>('grandpa_roundState');
  return state.best.prevotes.missing;
}

/** The local chain with a fourth validator: of three, none may be missing. */
function withDave(text: string): string {
  const spec = JSON.parse(text) as Staked;
  const { session, staking } = spec.genesis.runtimeGenesis.patch;
  const address = ss58Encode(keypairFromSuri('//Dave', 'sr25519').accountId, 42);
  const key = (use: string, scheme: Scheme): string => toHex(keypairFromSuri(`//Dave//${use}`, scheme).publicKey);
  const keys = { grandpa: key('grandpa', 'ed25519'), authoring: key('authoring', 'sr25519') };
  session.keys.push([address, address, { ...keys, compute: key('compute', 'ed25519') }]);
  const [first] = staking.stakers;
  staking.stakers.push([address, ...(first as [string, string, string]).slice(1)]);
  return JSON.stringify(spec);
}

interface Staked {
  readonly genesis: {
    readonly runtimeGenesis: {
      readonly patch: { readonly session: { keys: unknown[] }; staking: { stakers: unknown[] } };
    };
  };
}

function say(text: string): void {
  console.log(`${new Date().toISOString().slice(11, 19)} ${text}`);
}

try {
  await installFastPaths();
  const text = easySpec('local', { blockTimeMs: BLOCK_MS, finality: 'grandpa' });
  writeFileSync(join(dir, 'spec.json'), withDave(text));
  for (const index of NAMES.keys()) await start(index, join(dir, 'spec.json'));
  const [alice, bob, charlie, dave] = validators as [Validator, Validator, Validator, Validator];
  for (const a of validators) for (const b of validators) if (a !== b) await meet(a, b);
  // One on each side of the partition.
  miners.push(new DevMiner(`ws://127.0.0.1:${alice.rpcPort}`, 'Alice', BLOCK_MS));
  miners.push(new DevMiner(`ws://127.0.0.1:${dave.rpcPort}`, 'Bob', BLOCK_MS));
  await until(async () => (await finalOf(alice)) >= 5, 60_000, 'five final blocks');

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
  const absent = await missing(alice);
  assert.deepEqual(absent.length, 2, 'RPC says whose votes are missing');
  const growth = [alice, dave].map((one, i) => Math.round(residentMb(one) - (memory[i] as number)));
  say(`two of four: ${blocks} blocks, none final; RPC names 2 missing voters; memory +${growth.join(', +')} MB`);
  assert.ok(Math.max(...growth) <= GROWTH_MB);

  await restart(bob);
  await restart(charlie);
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
  for (const { name, log } of validators) {
    console.error(`== ${name}\n${readFileSync(log, 'utf8').split('\n').slice(-25).join('\n')}`);
  }
  throw error;
} finally {
  for (const miner of miners) miner.stop();
  for (const { rpc } of validators) rpc.close();
  await Promise.all(validators.map(({ child }) => end(child)));
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
}
