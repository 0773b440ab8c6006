/**
 * # Zombienet: the binary keeps the contract of the native provider: what it calls, in order, and what it then reads.
 *
 * Argument for argument as @zombienet/cli 1.3 starts nodes (docs/spec/cli.md); the tool itself is not needed.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { configOf } from '../../src/cli/commands/node-config.ts';
import { NODE_FLAGS } from '../../src/cli/commands/node-flags.ts';
import { parseFlags } from '../../src/cli/flags.ts';
import { ss58Encode } from '../../src/crypto/ss58.ts';
import { keypairFromSuri } from '../../src/crypto/suri.ts';
import { peerIdOf } from '../../src/p2p/host.ts';
import { samples } from '../metrics/names.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts');
const dir = mkdtempSync(join(tmpdir(), 'maitoken-zombie-'));
const running: ChildProcess[] = [];
after(async () => {
  await Promise.all(
    running.map((child) => {
      if (child.exitCode !== null) return undefined;
      const ended = new Promise((done) => child.once('exit', done));
      child.kill('SIGKILL');
      return ended;
    }),
  );
  rmSync(dir, { recursive: true, force: true });
});

const call = (...args: string[]): string =>
  spawnSync(process.execPath, ['--no-warnings', MAIN, ...args], { encoding: 'utf8', timeout: 60_000 }).stdout;

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}

async function eventually<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  for (const end = Date.now() + 60_000; Date.now() < end; await new Promise((done) => setTimeout(done, 250))) {
    const found = await look().catch(() => undefined);
    if (found !== undefined) return found;
  }
  throw new Error(`${what}: not within a minute`);
}

async function rpcCall(port: number, method: string): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${port}/`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: [] }),
  });
  return ((await response.json()) as { result: unknown }).result;
}

interface Zombie {
  readonly address: string;
  readonly rpc: number;
  readonly metrics: number;
  readonly key: string;
}

/** One node as the native provider starts it. */
async function launch(spec: string, name: string, bootnodes: readonly string[]): Promise<Zombie> {
  const [p2p = 0, rpc = 0, metrics = 0] = await freePorts(3);
  const key = Buffer.from(keypairFromSuri(`//${name}`, 'ed25519').publicKey).toString('hex');
  // The tool puts plain keys into the store before the node starts, as every process may read them.
  const store = join(dir, name, 'chains', 'local', 'keystore');
  mkdirSync(store, { recursive: true });
  const { publicKey } = keypairFromSuri(`//${name}`, 'sr25519');
  const file = join(store, `61757261${Buffer.from(publicKey).toString('hex')}`);
  writeFileSync(file, JSON.stringify(`//${name}`), { mode: 0o644 });
  const args = ['--chain', spec, '--name', name, '--rpc-cors', 'all', '--rpc-methods', 'unsafe'];
  // Ours, not the tool's: it would start a miner each, which no test of flags needs.
  args.push('--no-miner', '--no-checker');
  args.push('--no-mdns', '--node-key', key, '--no-telemetry', '--prometheus-external', '--validator');
  if (bootnodes.length > 0) args.push('--bootnodes', ...bootnodes);
  args.push('--prometheus-port', String(metrics), '--rpc-port', String(rpc));
  args.push('--listen-addr', `/ip4/127.0.0.1/tcp/${p2p}/ws`, '--base-path', join(dir, name));
  running.push(spawn(process.execPath, ['--no-warnings', MAIN, ...args], { stdio: ['ignore', 'ignore', 'pipe'] }));
  // As the tool does: the address is computed from the key, not asked for.
  const peerId = await peerIdOf(new Uint8Array(Buffer.from(key, 'hex')));
  return { address: `/ip4/127.0.0.1/tcp/${p2p}/ws/p2p/${peerId}`, rpc, metrics, key };
}

test('--help offers --rpc-port and does not offer --ws-port, from which the tool tells how to call a node', () => {
  const help = call('--help');
  assert.match(help, /--rpc-port <PORT>/);
  assert.doesNotMatch(help, /--ws-port <PORT>/);
});

test('the raw form follows from a human form that the tool has edited', () => {
  const human = JSON.parse(call('build-spec', '--chain', 'local', '--disable-default-bootnode'));
  const { balances } = human.genesis.runtimeGenesis.patch.balances;
  const newcomer = ss58Encode(keypairFromSuri('//Newcomer//stash', 'sr25519').accountId, 42);
  assert.ok(!balances.some(([address]: [string]) => address === newcomer));
  // The tool writes numbers where it adds accounts.
  balances.push([newcomer, 2_000_000_000_000]);
  human.bootNodes = [];
  writeFileSync(join(dir, 'human.json'), JSON.stringify(human));
  const edited = call('build-spec', '--chain', join(dir, 'human.json'), '--raw', '--disable-default-bootnode');
  const raw = JSON.parse(edited);
  const before = JSON.parse(call('build-spec', '--chain', 'local', '--raw'));
  assert.ok(Object.keys(raw.genesis.raw.top).length > Object.keys(before.genesis.raw.top).length);
  writeFileSync(join(dir, 'raw.json'), edited);
});

test('two nodes of that spec find each other and show the metrics that the tool waits for', {
  timeout: 180_000,
}, async () => {
  const spec = join(dir, 'raw.json');
  assert.ok(readFileSync(spec).length > 0);
  const alice = await launch(spec, 'alice', []);
  await eventually(
    'alice is up',
    async () => (await fetch(`http://127.0.0.1:${alice.metrics}/metrics`)).ok || undefined,
  );
  const bob = await launch(spec, 'bob', [alice.address]);
  for (const { metrics, rpc } of [alice, bob]) {
    const seen = await eventually('a peer is seen', async () => {
      const found = samples(await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text());
      return found.get('substrate_sub_libp2p_peers_count') === 1 ? found : undefined;
    });
    assert.ok((seen.get('substrate_process_start_time_seconds') ?? 0) >= 1);
    assert.equal(seen.get('substrate_block_height{status="best"}'), 0);
    assert.equal(seen.get('substrate_block_height{status="finalized"}'), 0);
    assert.equal(seen.get('substrate_node_roles'), 4);
    // A raw spec says no more of its jobs than their hashes: the node makes what they name all the same.
    const jobs = (await rpcCall(rpc, 'compute_jobs')) as {
      step_graph: string;
      dataset: string;
      round: { theta: string };
    }[];
    assert.equal(jobs.length, 3);
    for (const { step_graph, dataset, round } of jobs) {
      for (const id of [step_graph, dataset, round.theta]) {
        const { status } = await fetch(`http://127.0.0.1:${rpc}/v1/blobs/${id.slice(2)}`, { method: 'HEAD' });
        assert.equal(status, 200, id);
      }
    }
    for (const way of ['in', 'out']) {
      assert.ok((seen.get(`substrate_sub_libp2p_network_bytes_total{direction="${way}"}`) ?? 0) > 0, way);
    }
  }
  const result = (await rpcCall(bob.rpc, 'system_peers')) as { peerId: string }[];
  assert.deepEqual(
    result.map(({ peerId }) => peerId),
    [alice.address.split('/').at(-1)],
  );
});

test('a validator that is called like a dev account is that account, and mines by a child process; others are not', () => {
  const config = (...argv: string[]) =>
    configOf(parseFlags('maitoken', ['--chain', 'local', '--base-path', dir, ...argv], NODE_FLAGS).options);
  const alice = config('--name', 'alice', '--validator');
  assert.deepEqual([alice.identity, alice.minerThreads, alice.checker], [{ name: 'Alice' }, 1, true]);
  assert.equal(config('--name', 'alice').identity, undefined);
  assert.equal(config('--name', 'mallory', '--validator').minerThreads, 0);
  assert.equal(config('--name', 'two', '--validator').minerThreads, 0);
});
