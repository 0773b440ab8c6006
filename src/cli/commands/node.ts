/**
 * # node: runs a node until it is told to stop. Flags have the names, meanings and defaults of Substrate's nodes.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromHex, toHex } from '../../base/bytes.ts';
import { installFastPaths } from '../../crypto/native/install.ts';
import { startChildren } from '../../node/children.ts';
import type { DevIdentity, NodeConfig } from '../../node/config.ts';
import { startNode } from '../../node/node.ts';
import { integer, parseFlags, UsageError, usage } from '../flags.ts';
import { loadSpec } from '../spec-source.ts';
import { stopped } from '../stopped.ts';
import type { Terminal } from '../terminal.ts';

const NAMES = ['alice', 'bob', 'charlie', 'dave', 'eve', 'ferdie'] as const;

const FLAGS = {
  chain: { kind: 'value', value: 'ID|FILE', help: 'dev, local, or a chain spec file (default: local)' },
  dev: { kind: 'flag', help: 'a dev chain: --chain dev --alice --validator --tmp --rpc-cors all, no mDNS' },
  'base-path': { kind: 'value', short: 'd', value: 'DIR', help: 'where the node keeps what it knows' },
  tmp: { kind: 'flag', help: 'a fresh temporary base path, removed at the end' },
  alice: { kind: 'flag', help: 'name, role and keys of the dev account Alice' },
  bob: { kind: 'flag', help: 'as Bob' },
  charlie: { kind: 'flag', help: 'as Charlie' },
  dave: { kind: 'flag', help: 'as Dave' },
  eve: { kind: 'flag', help: 'as Eve' },
  ferdie: { kind: 'flag', help: 'as Ferdie' },
  validator: { kind: 'flag', help: 'take part: on dev and local chains also mine and check' },
  'force-authoring': { kind: 'flag', help: 'accepted for compatibility; work alone makes blocks here' },
  name: { kind: 'value', value: 'NAME', help: 'the name of the node' },
  'node-key': { kind: 'value', value: 'HEX', help: 'libp2p seed, 64 hex digits; prefer --node-key-file' },
  'node-key-file': { kind: 'value', value: 'FILE', help: 'file with the libp2p seed' },
  'rpc-port': { kind: 'value', value: 'PORT', help: 'HTTP and WebSocket (default 9944)' },
  'rpc-external': { kind: 'flag', help: 'listen on all interfaces; safe methods only' },
  'unsafe-rpc-external': { kind: 'flag', help: 'the same without the warning' },
  'rpc-methods': { kind: 'value', value: 'auto|safe|unsafe', help: 'which methods to answer (default auto)' },
  'rpc-cors': { kind: 'value', value: 'ORIGINS', help: 'browser origins, comma-separated, or all' },
  'rpc-max-connections': { kind: 'value', value: 'N', help: 'WebSocket clients (default 100)' },
  'rpc-max-request-size': { kind: 'value', value: 'MB', help: 'largest request (default 1)' },
  'rpc-max-subscriptions-per-connection': { kind: 'value', value: 'N', help: 'default 256' },
  port: { kind: 'value', value: 'PORT', help: 'p2p over TCP (default 30333)' },
  'listen-addr': { kind: 'list', value: 'MULTIADDR', help: 'listen here instead, TCP or /ws; may be repeated' },
  'public-addr': { kind: 'list', value: 'MULTIADDR', help: 'an address at which others reach this node' },
  bootnodes: { kind: 'list', value: 'MULTIADDR', help: 'peers to begin with; may be repeated' },
  'reserved-nodes': { kind: 'list', value: 'MULTIADDR', help: 'peers to keep connected' },
  'reserved-only': { kind: 'flag', help: 'talk to reserved peers only' },
  'in-peers': { kind: 'value', value: 'N', help: 'inbound peers (default 32)' },
  'out-peers': { kind: 'value', value: 'N', help: 'outbound peers (default 8)' },
  'no-mdns': { kind: 'flag', help: 'do not look for peers in the local network' },
  'state-pruning': { kind: 'value', value: 'N|archive', help: 'settled states kept (default 256)' },
  pruning: { kind: 'value', value: 'N|archive', help: 'the same' },
  'blob-cache': { kind: 'value', value: 'MB', help: 'models, deltas and states kept (default 2048)' },
  data: {
    kind: 'value',
    value: 'FILE',
    help: 'text to train on instead of the corpus that ships; changes the genesis',
  },
  'no-miner': { kind: 'flag', help: 'do not start the miner of a dev validator' },
  'miner-threads': { kind: 'value', value: 'N', help: 'threads of that miner (default 1)' },
  'no-checker': { kind: 'flag', help: 'do not start the checker of a dev validator' },
  check: { kind: 'flag', help: 'run every invariant of the runtime after every block' },
  'end-with-parent': { kind: 'flag', help: 'stop when standard input closes' },
  'no-telemetry': { kind: 'flag', help: 'accepted; there is no telemetry unless asked for' },
  'no-prometheus': { kind: 'flag', help: 'accepted; metrics are not served yet by this version' },
  help: { kind: 'flag', short: 'h', help: 'this text' },
} as const;

type Options = ReturnType<typeof parseFlags<typeof FLAGS>>['options'];

/** `maitoken [node options]`. Resolves with the exit code when the node has stopped. */
export async function nodeCommand(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { options } = parseFlags('maitoken', argv, FLAGS);
  if (options.help) {
    terminal.out(usage('maitoken', 'runs a node', FLAGS));
    return 0;
  }
  const config = configOf(options);
  try {
    for (const path of await installFastPaths()) {
      if (path.active === 'reference') terminal.err(`${path.name}: slow reference in use: ${path.reason}`);
    }
    return await run(config, terminal, options['end-with-parent']);
  } finally {
    if (config.tmp) rmSync(config.basePath, { recursive: true, force: true });
  }
}

async function run(config: NodeConfig, terminal: Terminal, withParent: boolean): Promise<number> {
  const fatal = Promise.withResolvers<number>();
  const node = await startNode(config, {
    log: (level, text) => terminal.log(level, text),
    onFatal: (error) => {
      terminal.err(`fatal: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      fatal.resolve(70);
    },
  });
  const { store, network, rpcPort } = node;
  terminal.log('info', `chain ${config.spec.name}, genesis ${toHex(store.genesis.hash)}`);
  terminal.log('info', `best #${store.best.number}, data in ${config.basePath}`);
  terminal.log('info', `peer id ${network.peerId}, listening on ${network.addresses().join(' ')}`);
  terminal.log('info', `RPC http://127.0.0.1:${rpcPort} ws://127.0.0.1:${rpcPort}`);
  terminal.log('info', `https://polkadot.js.org/apps/?rpc=ws://127.0.0.1:${rpcPort}#/explorer`);
  const children = startChildren(config, rpcPort, (text) => terminal.log('warn', text));
  const code = await Promise.race([stopped(terminal, withParent), fatal.promise]);
  await children.stop();
  await node.stop();
  return code;
}

function configOf(options: Options): NodeConfig {
  const identity = identityOf(options);
  const source = options.chain ?? (options.dev ? 'dev' : 'local');
  const spec = loadSpec(source, options.data);
  const isTest = spec.chainType === 'Development' || spec.chainType === 'Local';
  const tmp = options.tmp || (options.dev && options['base-path'] === undefined);
  const validator = options.validator || options.dev || identity !== undefined;
  const external = options['rpc-external'] || options['unsafe-rpc-external'];
  const methods = options['rpc-methods'] ?? 'auto';
  if (!['auto', 'safe', 'unsafe'].includes(methods))
    throw new UsageError(`--rpc-methods ${methods}: auto, safe or unsafe`);
  if (options.validator && options['rpc-external'] && methods !== 'unsafe') {
    throw new UsageError(
      '--validator with --rpc-external: say --unsafe-rpc-external or --rpc-methods unsafe, or keep RPC local',
    );
  }
  if (options['rpc-external'] && !options['unsafe-rpc-external'] && methods === 'unsafe') {
    throw new UsageError(
      '--rpc-external with --rpc-methods unsafe: say --unsafe-rpc-external if the world may call them',
    );
  }
  const cors = options.dev ? 'all' : (options['rpc-cors'] ?? '');
  const starts = validator && isTest && identity !== undefined;
  return {
    spec,
    specSource: source,
    basePath: options['base-path'] ?? (tmp ? mkdtempSync(join(tmpdir(), 'maitoken-')) : join(homedir(), '.maitoken')),
    tmp,
    name: options.name ?? identity?.name ?? 'maitoken',
    validator,
    identity,
    minerThreads: starts && !options['no-miner'] ? integer('miner-threads', options['miner-threads'], 1, 1, 64) : 0,
    checker: starts && !options['no-checker'],
    rpc: {
      port: integer('rpc-port', options['rpc-port'], 9944, 0, 65_535),
      host: external ? '0.0.0.0' : '127.0.0.1',
      unsafe: methods === 'unsafe' || (options.dev && !external && methods === 'auto'),
      cors: cors === 'all' ? 'all' : cors.split(',').filter(Boolean),
      maxConnections: integer('rpc-max-connections', options['rpc-max-connections'], 100, 1, 10_000),
      maxRequestBytes: integer('rpc-max-request-size', options['rpc-max-request-size'], 1, 1, 15) * 1_048_576,
      maxSubscriptions: integer(
        'rpc-max-subscriptions-per-connection',
        options['rpc-max-subscriptions-per-connection'],
        256,
        1,
        1_024,
      ),
    },
    p2p: {
      listen: options['listen-addr'].length > 0 ? options['listen-addr'] : [`/ip4/127.0.0.1/tcp/${portOf(options)}`],
      publicAddresses: options['public-addr'],
      bootnodes: [...spec.bootNodes, ...options.bootnodes],
      reservedNodes: options['reserved-nodes'],
      reservedOnly: options['reserved-only'],
      inPeers: integer('in-peers', options['in-peers'], 32, 0, 1_000),
      outPeers: integer('out-peers', options['out-peers'], 8, 0, 1_000),
      mdns: !options['no-mdns'] && !options.dev,
      nodeKey: nodeKeyOf(options),
    },
    pruning: pruningOf(options['state-pruning'] ?? options.pruning),
    data: options.data,
    blobBytes: integer('blob-cache', options['blob-cache'], 2_048, 64, 1_000_000) * 1_048_576,
    check: options.check,
  };
}

function identityOf(options: Options): DevIdentity | undefined {
  const given = NAMES.filter((name) => options[name]);
  if (given.length > 1) throw new UsageError(`--${given[0]} and --${given[1]}: a node is one of them`);
  const name = given[0] ?? (options.dev ? 'alice' : undefined);
  return name ? { name: name.charAt(0).toUpperCase() + name.slice(1) } : undefined;
}

function portOf(options: Options): number {
  return integer('port', options.port, options.dev ? 0 : 30_333, 0, 65_535);
}

function pruningOf(text: string | undefined): number | 'archive' {
  if (text === 'archive' || text === 'archive-canonical') return 'archive';
  return integer('state-pruning', text, 256, 1, 1_000_000);
}

function nodeKeyOf(options: Options) {
  const text = options['node-key'];
  if (text === undefined) return undefined;
  if (!/^(0x)?[0-9a-f]{64}$/.test(text)) throw new UsageError('--node-key: 64 hex digits');
  return fromHex(text);
}
