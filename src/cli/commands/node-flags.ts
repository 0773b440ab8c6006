/**
 * # Node flags: the command line of a node, with the names, meanings and defaults of Substrate's nodes.
 *
 * Always true: a flag that has no effect here says so in its help; none is read in silence.
 */
import type { parseFlags } from '../flags.ts';

/** Dev accounts that are a flag each: name, role and keys. `--one` and `--two` are `//One` and `//Two`. */
export const DEV_NAMES = ['alice', 'bob', 'charlie', 'dave', 'eve', 'ferdie', 'one', 'two'] as const;

/** Which chain, and where it is kept; the same for every command that opens a chain. */
export const CHAIN_FLAGS = {
  chain: { kind: 'value', value: 'ID|FILE', help: 'dev, local, or a chain spec file (default: local)' },
  dev: { kind: 'flag', help: 'a dev chain: --chain dev --alice --force-authoring --rpc-cors all --tmp, no mDNS' },
  'base-path': { kind: 'value', short: 'd', value: 'DIR', help: 'where the node keeps what it knows' },
  data: {
    kind: 'value',
    value: 'FILE',
    help: 'text to train on instead of the corpus that ships; changes the genesis',
  },
} as const;

/** Where keys are kept and what opens them: never a text in argv, where every user of the host reads it. */
export const KEYSTORE_FLAGS = {
  'keystore-path': { kind: 'value', value: 'DIR', help: 'keys (default: chains/<id>/keystore in the base path)' },
  'password-filename': { kind: 'value', value: 'FILE', help: 'file with the passphrase of the keystore' },
  'password-interactive': { kind: 'flag', help: 'ask for the passphrase on the terminal' },
  password: { kind: 'value', value: 'TEXT', help: 'refused, as argv can be read by all: use one of the two above' },
} as const;

const DEV_FLAGS = {
  alice: { kind: 'flag', help: 'name, role and keys of the dev account Alice' },
  bob: { kind: 'flag', help: 'as Bob' },
  charlie: { kind: 'flag', help: 'as Charlie' },
  dave: { kind: 'flag', help: 'as Dave' },
  eve: { kind: 'flag', help: 'as Eve' },
  ferdie: { kind: 'flag', help: 'as Ferdie' },
  one: { kind: 'flag', help: 'as One' },
  two: { kind: 'flag', help: 'as Two' },
} as const;

const ROLE_FLAGS = {
  tmp: { kind: 'flag', help: 'a fresh temporary base path, removed at the end' },
  ...DEV_FLAGS,
  validator: { kind: 'flag', help: 'take part: vote and take turns; on dev and local chains also mine and check' },
  'force-authoring': { kind: 'flag', help: 'no effect: work or turns make blocks here' },
  'no-grandpa': { kind: 'flag', help: 'follow the voting on finality without taking part' },
  name: { kind: 'value', value: 'NAME', help: 'the name of the node' },
  'node-key': { kind: 'value', value: 'HEX', help: 'libp2p seed, 64 hex digits; prefer --node-key-file' },
  'node-key-file': { kind: 'value', value: 'FILE', help: 'file with the libp2p seed, 64 hex digits or 32 bytes' },
  'no-miner': { kind: 'flag', help: 'do not start the miner of a dev validator' },
  'miner-threads': { kind: 'value', value: 'N', help: 'threads of that miner (default 1)' },
  'no-checker': { kind: 'flag', help: 'do not start the checker of a dev validator' },
} as const;

const RPC_FLAGS = {
  'rpc-port': { kind: 'value', value: 'PORT', help: 'HTTP and WebSocket (default 9944)' },
  'rpc-external': { kind: 'flag', help: 'listen on all interfaces; safe methods only' },
  'unsafe-rpc-external': { kind: 'flag', help: 'the same, whatever --rpc-methods and --validator say' },
  'rpc-methods': { kind: 'value', value: 'auto|safe|unsafe', help: 'which methods to answer (default auto)' },
  'rpc-cors': { kind: 'value', value: 'ORIGINS', help: 'browser origins, comma-separated, or all' },
  'rpc-max-connections': { kind: 'value', value: 'N', help: 'WebSocket clients (default 100)' },
  'rpc-max-request-size': { kind: 'value', value: 'MB', help: 'largest request (default 1)' },
  'rpc-max-response-size': { kind: 'value', value: 'MB', help: 'largest answer (default 15)' },
  'rpc-max-subscriptions-per-connection': { kind: 'value', value: 'N', help: 'default 256' },
  'rpc-rate-limit': { kind: 'value', value: 'N', help: 'calls a minute of one connection (default: no limit)' },
  'rpc-disable-batch-requests': { kind: 'flag', help: 'answer single requests only' },
  'rpc-max-batch-request-len': { kind: 'value', value: 'N', help: 'calls of one batch (default 100)' },
} as const;

const P2P_FLAGS = {
  port: { kind: 'value', value: 'PORT', help: 'p2p over TCP (default 30333)' },
  'listen-addr': { kind: 'list', value: 'MULTIADDR', help: 'listen here instead, TCP or /ws; may be repeated' },
  'public-addr': { kind: 'list', value: 'MULTIADDR', help: 'an address at which others reach this node' },
  bootnodes: { kind: 'list', value: 'MULTIADDR', help: 'peers to begin with; may be repeated' },
  'reserved-nodes': { kind: 'list', value: 'MULTIADDR', help: 'peers to keep connected' },
  'reserved-only': { kind: 'flag', help: 'talk to reserved peers only' },
  'in-peers': { kind: 'value', value: 'N', help: 'inbound peers (default 32)' },
  'out-peers': { kind: 'value', value: 'N', help: 'outbound peers (default 8)' },
  'no-mdns': { kind: 'flag', help: 'do not look for peers in the local network' },
  'discover-local': { kind: 'flag', help: 'look for peers in the local network, also with --dev' },
  sync: {
    kind: 'value',
    value: 'full|warp',
    help: 'a new node fetches all blocks, or the newest final one with its state (default full)',
  },
  'max-parallel-downloads': { kind: 'value', value: 'N', help: 'no effect: sync asks as many peers as it needs' },
  'max-blocks-per-request': { kind: 'value', value: 'N', help: 'no effect: 64 is a constant of the protocol' },
} as const;

const STORE_FLAGS = {
  'state-pruning': { kind: 'value', value: 'N|archive', help: 'settled states kept (default 256)' },
  pruning: { kind: 'value', value: 'N|archive', help: 'the same' },
  'blocks-pruning': { kind: 'value', value: 'N|archive', help: 'no effect: every block is kept' },
  'db-cache': { kind: 'value', value: 'MB', help: 'cache of the database (default 8: states are kept in memory)' },
  'trie-cache-size': { kind: 'value', value: 'BYTES', help: 'no effect: the state is in memory' },
  'blob-cache': { kind: 'value', value: 'MB', help: 'models, deltas and states kept (default 2048)' },
  check: { kind: 'flag', help: 'run every invariant of the runtime after every block' },
} as const;

const WATCH_FLAGS = {
  'prometheus-port': { kind: 'value', value: 'PORT', help: 'metrics (default 9615)' },
  'prometheus-external': { kind: 'flag', help: 'serve metrics on all interfaces' },
  'no-prometheus': { kind: 'flag', help: 'serve no metrics' },
  'telemetry-url': { kind: 'list', value: 'URL', help: 'no effect: nothing is sent to anybody' },
  'no-telemetry': { kind: 'flag', help: 'no effect: there is no telemetry' },
  log: { kind: 'list', short: 'l', value: 'TARGET=LEVEL', help: 'what is logged: error, warn, info or off, by target' },
  'detailed-log-output': { kind: 'flag', help: 'log lines with process, level and target' },
  'disable-log-color': { kind: 'flag', help: 'no effect: the log has no colours' },
  'end-with-parent': { kind: 'flag', help: 'stop when standard input closes' },
} as const;

/** What concerns a Wasm runtime: there is none here. */
const RUNTIME_FLAGS = {
  execution: { kind: 'value', value: 'STRATEGY', help: 'no effect, as are its kinds below: the runtime is native' },
  'execution-syncing': { kind: 'value', value: 'STRATEGY', help: 'no effect' },
  'execution-import-block': { kind: 'value', value: 'STRATEGY', help: 'no effect' },
  'execution-block-construction': { kind: 'value', value: 'STRATEGY', help: 'no effect' },
  'execution-offchain-worker': { kind: 'value', value: 'STRATEGY', help: 'no effect' },
  'execution-other': { kind: 'value', value: 'STRATEGY', help: 'no effect' },
  'wasm-execution': { kind: 'value', value: 'METHOD', help: 'no effect' },
  'network-backend': { kind: 'value', value: 'NAME', help: 'no effect: the network is libp2p' },
} as const;

export const NODE_FLAGS = {
  ...CHAIN_FLAGS,
  ...ROLE_FLAGS,
  ...KEYSTORE_FLAGS,
  ...RPC_FLAGS,
  ...P2P_FLAGS,
  ...STORE_FLAGS,
  ...WATCH_FLAGS,
  ...RUNTIME_FLAGS,
  version: { kind: 'flag', short: 'V', help: 'name and version of this program' },
  help: { kind: 'flag', short: 'h', help: 'this text' },
} as const;

export type NodeOptions = ReturnType<typeof parseFlags<typeof NODE_FLAGS>>['options'];
