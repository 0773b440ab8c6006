/**
 * # devnet: three nodes, two miners and three checkers on this machine, training a model that anyone can watch.
 *
 * Always true: every process has its own directory and shares nothing but sockets with the others; every number on
 * screen comes from RPC. A second start goes on from disk.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { toHex } from '../../base/bytes.ts';
import { keypairFromSuri } from '../../crypto/suri.ts';
import { RpcClient } from '../../miner/rpc-client.ts';
import { encodeSpec } from '../../node/chain-spec.ts';
import { peerIdOf } from '../../p2p/host.ts';
import { DevnetScreen } from '../devnet-screen.ts';
import { integer, parseFlags, UsageError, usage } from '../flags.ts';
import { Member, portIsFree } from '../member.ts';
import { loadSpec, specText } from '../spec-source.ts';
import type { Terminal } from '../terminal.ts';

const FLAGS = {
  dir: { kind: 'value', value: 'DIR', help: 'where the network is kept (default .devnet)' },
  fresh: { kind: 'flag', help: 'forget an earlier network in that folder' },
  data: { kind: 'value', value: 'FILE', help: 'text to train on instead of the corpus that ships' },
  'rpc-port': { kind: 'value', value: 'PORT', help: 'RPC of the first node; the others follow (default 9944)' },
  port: { kind: 'value', value: 'PORT', help: 'p2p of the first node; the others follow (default 30333)' },
  minutes: { kind: 'value', value: 'N', help: 'stop by itself after this long' },
  help: { kind: 'flag', short: 'h', help: 'this text' },
} as const;

const NODES = ['alice', 'bob', 'charlie'] as const;
const MINERS = ['alice', 'bob'] as const;
/** Nodes answer blocks and wallets first, then checkers, then miners. */
const MINER_NICE = 10;

/** `maitoken devnet`; also what `npm start` runs. */
export async function devnetCommand(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { options } = parseFlags('maitoken devnet', argv, FLAGS);
  if (options.help) {
    terminal.out(usage('maitoken devnet', 'a network of its own on this machine', FLAGS));
    return 0;
  }
  const dir = resolve(options.dir ?? '.devnet');
  if (options.fresh) rmSync(dir, { recursive: true, force: true });
  const rpcPort = integer('rpc-port', options['rpc-port'], 9944, 1, 65_000);
  const p2pPort = integer('port', options.port, 30_333, 1, 65_000);
  for (let i = 0; i < NODES.length; i++) {
    if (!(await portIsFree(rpcPort + i)))
      throw new UsageError(`--rpc-port ${rpcPort}: port ${rpcPort + i} is in use`, 3);
    if (!(await portIsFree(p2pPort + i))) throw new UsageError(`--port ${p2pPort}: port ${p2pPort + i} is in use`, 3);
  }
  const minutes = options.minutes === undefined ? undefined : integer('minutes', options.minutes, 0, 1, 100_000);
  const members = await launch({ dir, data: options.data, rpcPort, p2pPort, terminal });
  const urls = NODES.map((_, i) => `ws://127.0.0.1:${rpcPort + i}`);
  const rpc = new RpcClient(urls[0] as string);
  const screen = new DevnetScreen(rpc, terminal, { urls, runs: join(dir, 'runs') });
  screen.start();
  const stopped = terminal.untilStopped();
  const timer = new Promise<number>((done) => {
    if (minutes !== undefined) setTimeout(() => done(0), minutes * 60_000);
  });
  const code = await Promise.race([stopped, timer]);
  terminal.out('stopping ...');
  screen.stop();
  rpc.close();
  await Promise.all(members.filter((m) => m.role === 'miner').map((m) => m.stop()));
  await Promise.all(members.map((member) => member.stop()));
  terminal.out('stopped; the next start goes on from here');
  return code;
}

interface Plan {
  readonly dir: string;
  readonly data: string | undefined;
  readonly rpcPort: number;
  readonly p2pPort: number;
  readonly terminal: Terminal;
}

async function launch({ dir, data, rpcPort, p2pPort, terminal }: Plan): Promise<Member[]> {
  const spec = prepareSpec(dir, data);
  const members: Member[] = [];
  const bootnodes: string[] = [];
  for (const [i, name] of NODES.entries()) {
    const base = join(dir, name);
    mkdirSync(base, { recursive: true });
    const seed = keypairFromSuri(`//${name}//node`, 'ed25519').publicKey;
    const args = [
      'node',
      '--end-with-parent',
      '--chain',
      spec,
      `--${name}`,
      '--base-path',
      base,
      '--no-mdns',
      '--no-miner',
    ];
    args.push('--rpc-port', String(rpcPort + i), '--port', String(p2pPort + i), '--node-key', toHex(seed).slice(2));
    // The first node's metrics are there for who looks; three servers for one screen would be two too many.
    if (i > 0) args.push('--no-prometheus');
    for (const address of bootnodes) args.push('--bootnodes', address);
    if (data !== undefined) args.push('--data', resolve(data));
    members.push(new Member({ role: 'node', name, args, log: join(base, 'node.log') }));
    bootnodes.push(`/ip4/127.0.0.1/tcp/${p2pPort + i}/p2p/${await peerIdOf(seed)}`);
  }
  const chain = loadSpec(spec).id;
  for (const [i, name] of MINERS.entries()) {
    const base = join(dir, `miner-${name}`);
    mkdirSync(base, { recursive: true });
    const token = join(dir, name, 'chains', chain, 'blobs.token');
    const args = ['miner', '--end-with-parent', '--node', `ws://127.0.0.1:${rpcPort + i}`, `--${name}`, '--dir', base];
    args.push('--blob-token-file', token);
    const member = new Member({
      role: 'miner',
      name,
      args,
      log: join(base, 'miner.log'),
      nice: MINER_NICE,
      after: token,
    });
    members.push(member);
  }
  for (const member of members) member.start((text) => terminal.log('warn', text));
  return members;
}

/** The spec is written once and handed to all processes; a later start keeps it. */
function prepareSpec(dir: string, data: string | undefined): string {
  mkdirSync(dir, { recursive: true });
  const path = join(dir, 'spec.json');
  if (data === undefined) {
    const shipped = specText('local');
    if (!existsSync(path)) writeFileSync(path, shipped);
    else if (readFileSync(path, 'utf8') !== shipped && !existsSync(join(dir, 'data'))) {
      throw new UsageError(
        `${dir} holds a network of another chain spec: start with --fresh, or choose another --dir`,
        4,
      );
    }
    return path;
  }
  const text = encodeSpec(loadSpec('local', data));
  if (existsSync(path) && readFileSync(path, 'utf8') !== text) {
    throw new UsageError(`${dir} holds a network with other data: start with --fresh, or choose another --dir`, 4);
  }
  writeFileSync(path, text);
  writeFileSync(join(dir, 'data'), resolve(data));
  return path;
}
