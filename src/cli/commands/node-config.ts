/** # Node config: what the flags of a node say, checked, as the values that the node is made from. */
import { mkdtempSync, readFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bytes, fromHex } from '../../base/bytes.ts';
import type { ChainSpec } from '../../node/chain-spec.ts';
import type { DevIdentity, NodeConfig } from '../../node/config.ts';
import { canWarp } from '../../node/warp.ts';
import { integer, UsageError } from '../flags.ts';
import { loadSpec } from '../spec-source.ts';
import { DEV_NAMES, type NodeOptions } from './node-flags.ts';

const MB = 1_048_576;
const DEFAULT_PROMETHEUS_PORT = 9_615;

/** The config that the flags describe. Throws UsageError with the flag to change. */
export function configOf(options: NodeOptions): NodeConfig {
  const source = options.chain ?? (options.dev ? 'dev' : 'local');
  const spec = loadSpec(source, options.data);
  const isTest = spec.chainType === 'Development' || spec.chainType === 'Local';
  const identity = identityOf(options, isTest);
  const tmp = options.tmp || (options.dev && options['base-path'] === undefined);
  const validator = options.validator || options.dev || identity !== undefined;
  // One and Two are in no genesis: they run nodes, and mine once they have registered by work.
  const isMined = spec.consensus.authoring === 'computePow';
  const starts = validator && isTest && isMined && identity !== undefined && !['One', 'Two'].includes(identity.name);
  const sync = syncOf(options.sync ?? 'full', spec);
  for (const name of ['max-parallel-downloads', 'max-blocks-per-request', 'trie-cache-size'] as const) {
    integer(name, options[name], 0, 0, Number.MAX_SAFE_INTEGER);
  }
  pruningOf('blocks-pruning', options['blocks-pruning']);
  const rpc = rpcOf(options);
  const prometheus = prometheusOf(options);
  const basePath =
    options['base-path'] ?? (tmp ? mkdtempSync(join(tmpdir(), 'maitoken-')) : join(homedir(), '.maitoken'));
  return {
    spec,
    specSource: source,
    basePath,
    tmp,
    name: options.name ?? identity?.name ?? 'maitoken',
    validator,
    votes: validator && !options['no-grandpa'],
    identity,
    minerThreads: starts && !options['no-miner'] ? integer('miner-threads', options['miner-threads'], 1, 1, 64) : 0,
    checker: starts && !options['no-checker'],
    rpc,
    p2p: p2pOf(options, spec),
    prometheus,
    sync,
    pruning: pruningOf('state-pruning', options['state-pruning'] ?? options.pruning),
    dbCacheBytes: integer('db-cache', options['db-cache'], 8, 1, 65_536) * MB,
    data: options.data,
    blobBytes: integer('blob-cache', options['blob-cache'], 2_048, 64, 1_000_000) * MB,
    check: options.check,
  };
}

function syncOf(mode: string, spec: ChainSpec): 'full' | 'warp' {
  if (mode !== 'full' && mode !== 'warp') throw new UsageError(`--sync ${mode}: full or warp`);
  if (mode === 'warp' && !canWarp(spec)) {
    throw new UsageError('--sync warp: needs finality grandpa and authoring slots; import-snapshot is for this chain');
  }
  return mode;
}

function rpcOf(options: NodeOptions): NodeConfig['rpc'] {
  const unsafeExternal = options['unsafe-rpc-external'];
  const external = options['rpc-external'] || unsafeExternal;
  const methods = options['rpc-methods'] ?? 'auto';
  if (!['auto', 'safe', 'unsafe'].includes(methods))
    throw new UsageError(`--rpc-methods ${methods}: auto, safe or unsafe`);
  if (options.validator && options['rpc-external'] && !unsafeExternal) {
    throw new UsageError('--validator with --rpc-external: say --unsafe-rpc-external, or keep RPC local');
  }
  if (options['rpc-external'] && !unsafeExternal && methods === 'unsafe') {
    throw new UsageError(
      '--rpc-external with --rpc-methods unsafe: say --unsafe-rpc-external if the world may call them',
    );
  }
  const cors = options['rpc-cors'] ?? (options.dev ? 'all' : '');
  const count = (name: keyof NodeOptions & `rpc-${string}`, fallback: number, high: number, low = 1): number =>
    integer(name, options[name] as string | undefined, fallback, low, high);
  const perMinute = options['rpc-rate-limit'];
  return {
    port: count('rpc-port', 9_944, 65_535, 0),
    host: external ? '0.0.0.0' : '127.0.0.1',
    unsafe: methods === 'unsafe' || (options.dev && !external && methods === 'auto'),
    cors: cors === 'all' ? 'all' : cors.split(',').filter(Boolean),
    maxConnections: count('rpc-max-connections', 100, 10_000),
    maxRequestBytes: count('rpc-max-request-size', 1, 15) * MB,
    maxSubscriptions: count('rpc-max-subscriptions-per-connection', 256, 1_024),
    maxResponseBytes: count('rpc-max-response-size', 15, 64) * MB,
    maxBatch: options['rpc-disable-batch-requests'] ? 0 : count('rpc-max-batch-request-len', 100, 1_000),
    callsPerMinute: perMinute === undefined ? undefined : count('rpc-rate-limit', 0, 1_000_000),
  };
}

function p2pOf(options: NodeOptions, spec: ChainSpec): NodeConfig['p2p'] {
  const port = integer('port', options.port, options.dev ? 0 : 30_333, 0, 65_535);
  const mdns = options['discover-local'] || (!options['no-mdns'] && !options.dev);
  return {
    listen: options['listen-addr'].length > 0 ? options['listen-addr'] : [`/ip4/127.0.0.1/tcp/${port}`],
    publicAddresses: options['public-addr'],
    bootnodes: [...spec.bootNodes, ...options.bootnodes],
    reservedNodes: options['reserved-nodes'],
    reservedOnly: options['reserved-only'],
    inPeers: integer('in-peers', options['in-peers'], 32, 0, 1_000),
    outPeers: integer('out-peers', options['out-peers'], 8, 0, 1_000),
    mdns,
    nodeKey: nodeKeyOf(options),
  };
}

function prometheusOf(options: NodeOptions): NodeConfig['prometheus'] {
  if (options['no-prometheus']) return undefined;
  const asked = options['prometheus-port'];
  return {
    port: integer('prometheus-port', asked, DEFAULT_PROMETHEUS_PORT, 0, 65_535),
    host: options['prometheus-external'] ? '0.0.0.0' : '127.0.0.1',
    // Several nodes on one machine share the default: the first one gets it.
    required: asked !== undefined,
  };
}

/** Who a node is on a chain of well-known keys: by flag, or a validator by its name, as network tools start them. */
function identityOf(options: NodeOptions, isTest: boolean): DevIdentity | undefined {
  const given = DEV_NAMES.filter((name) => options[name]);
  if (given.length > 1) throw new UsageError(`--${given[0]} and --${given[1]}: a node is one of them`);
  const named =
    options.validator && isTest ? DEV_NAMES.find((name) => name === options.name?.toLowerCase()) : undefined;
  const name = given[0] ?? named ?? (options.dev ? 'alice' : undefined);
  return name ? { name: name.charAt(0).toUpperCase() + name.slice(1) } : undefined;
}

/** A pruning window: blocks, or all of them. Throws UsageError with the name of the flag. */
export function pruningOf(name: string, text: string | undefined): number | 'archive' {
  if (text === 'archive' || text === 'archive-canonical') return 'archive';
  return integer(name, text, 256, 1, 1_000_000);
}

function nodeKeyOf(options: NodeOptions): Bytes | undefined {
  const [text, file] = [options['node-key'], options['node-key-file']];
  if (text !== undefined && file !== undefined) throw new UsageError('--node-key and --node-key-file: give one');
  if (text !== undefined) {
    if (!/^(0x)?[0-9a-f]{64}$/.test(text)) throw new UsageError('--node-key: 64 hex digits');
    return fromHex(text);
  }
  return file === undefined ? undefined : readNodeKey('node-key-file', file);
}

/** A libp2p seed in a file: 64 hex digits, or 32 bytes as they are. Throws UsageError with the flag's name. */
export function readNodeKey(flag: string, file: string): Bytes {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new UsageError(`--${flag} ${file}: cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  const text = bytes.length < 80 ? bytes.toString('latin1').trim() : '';
  if (/^(0x)?[0-9a-f]{64}$/i.test(text)) return fromHex(text.toLowerCase());
  if (bytes.length === 32) return new Uint8Array(bytes);
  throw new UsageError(`--${flag} ${file}: neither 64 hex digits nor 32 bytes`);
}
