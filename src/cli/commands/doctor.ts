/**
 * # doctor: what of this machine would keep a node or a miner from running well, before it does.
 *
 * Always true: it changes nothing but a file of one byte that it removes; each finding that is not in order says what
 * to do; the exit code is 1 when something would not work, 0 otherwise.
 */
import { accessSync, constants, existsSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { RESERVED_BYTES } from '../../compute/canonical/kernels.ts';
import { loadKernels } from '../../compute/engine/kernels-file.ts';
import { proveKernels } from '../../compute/plan/self-test.ts';
import { proveMining } from '../../compute/pouw/self-test.ts';
import { installFastPaths } from '../../crypto/native/install.ts';
import { RpcClient } from '../../miner/rpc-client.ts';
import { Database } from '../../state/level/database.ts';
import { chainPlace } from '../chain-dir.ts';
import { integer, parseFlags, usage } from '../flags.ts';
import { portIsFree } from '../member.ts';
import { keystoreOf } from '../secrets.ts';
import type { Terminal } from '../terminal.ts';
import { CHAIN_FLAGS, KEYSTORE_FLAGS } from './node-flags.ts';

const FLAGS = {
  ...CHAIN_FLAGS,
  ...KEYSTORE_FLAGS,
  'rpc-port': { kind: 'value', value: 'PORT', help: 'that the node will use (default 9944)' },
  port: { kind: 'value', value: 'PORT', help: 'that it will use for peers (default 30333)' },
  node: { kind: 'value', value: 'URL', help: 'ws://host:port of a node that runs, to look at as well' },
  json: { kind: 'flag', help: 'JSON lines' },
  help: { kind: 'flag', short: 'h', help: 'this text' },
} as const;
type Options = ReturnType<typeof parseFlags<typeof FLAGS>>['options'];

const NODE_MAJOR = 24;
const GIBIBYTE = 2 ** 30;
/** A node keeps models and states of the last rounds: 2 GiB by default, and its database. */
const DISK_BYTES = 5 * GIBIBYTE;
/** A miner of the dev job holds 0.5 GiB, a node as much. */
const MEMORY_BYTES = 2 * GIBIBYTE;
/** Blocks may be 15 s ahead of a clock; whoever is off by more than this loses some of that. */
const CLOCK_MS = 2_000;
const ANSWER_MS = 5_000;

interface Finding {
  readonly level: 'ok' | 'warn' | 'fail';
  readonly what: string;
  /** What to do, unless it is in order. */
  readonly advice?: string;
}

/** `maitoken doctor`. */
export async function doctorCommand(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { options } = parseFlags('maitoken doctor', argv, FLAGS);
  if (options.help) {
    terminal.out(usage('maitoken doctor', 'looks for what would keep a node or miner from running well', FLAGS));
    return 0;
  }
  let failed = 0;
  for (const look of EXAMINATIONS) {
    for (const finding of await look(options)) {
      if (finding.level === 'fail') failed++;
      terminal.out(options.json ? JSON.stringify(finding) : lineOf(finding));
    }
  }
  return failed > 0 ? 1 : 0;
}

function lineOf({ level, what, advice }: Finding): string {
  return `${level.padEnd(4)}  ${what}${advice === undefined ? '' : `: ${advice}`}`;
}

type Examination = (options: Options) => Finding[] | Promise<Finding[]>;

const EXAMINATIONS: readonly Examination[] = [program, machine, crypto, engine, folder, database, keys, ports, running];

function found(isGood: boolean, what: string, advice: string, level: 'warn' | 'fail' = 'fail'): Finding {
  return isGood ? { level: 'ok', what } : { level, what, advice };
}

function program(): Finding[] {
  const major = Number(process.versions.node.split('.')[0]);
  return [found(major >= NODE_MAJOR, `Node ${process.versions.node}`, `install Node ${NODE_MAJOR} or use npm start`)];
}

function machine(): Finding[] {
  const gib = (bytes: number): string => `${(bytes / GIBIBYTE).toFixed(1)} GiB`;
  const cores = availableParallelism();
  return [
    found(cores >= 2, `${cores} cores`, 'a node and a miner want a core each', 'warn'),
    found(
      totalmem() >= MEMORY_BYTES,
      `${gib(totalmem())} of memory, ${gib(freemem())} of it free`,
      `a node and a miner want ${gib(MEMORY_BYTES)}`,
      'warn',
    ),
  ];
}

async function crypto(): Promise<Finding[]> {
  return (await installFastPaths()).map(({ name, active, reason }) =>
    found(active === 'fast', name, `the slow reference serves (${reason}); install the native parts again`, 'warn'),
  );
}

/** Kernels as this process compiles them; a miner's process compiles with more flags and proves itself again. */
function engine(): Finding[] {
  try {
    const kernels = loadKernels();
    proveKernels(kernels);
    proveMining(loadKernels(), 0, RESERVED_BYTES);
    return [{ level: 'ok', what: 'the engine trains and mines as the plain reference does' }];
  } catch (error) {
    return [{ level: 'fail', what: 'the engine', advice: (error as Error).message }];
  }
}

function folder(options: Options): Finding[] {
  const { basePath } = chainPlace(options);
  const existing = nearest(basePath);
  try {
    accessSync(existing, constants.W_OK | constants.X_OK);
    const probe = join(existing, `.maitoken-doctor-${process.pid}`);
    writeFileSync(probe, 'x');
    rmSync(probe);
  } catch {
    return [{ level: 'fail', what: `${existing} cannot be written`, advice: 'choose another --base-path' }];
  }
  const { bavail, bsize } = statfsSync(existing);
  const free = bavail * bsize;
  const what = `${basePath}, ${(free / GIBIBYTE).toFixed(1)} GiB free`;
  return [found(free >= DISK_BYTES, what, 'make room, or lower --blob-cache (2 GiB by default)', 'warn')];
}

/** The first folder on the way up that exists. */
function nearest(path: string): string {
  return existsSync(path) ? path : nearest(dirname(path));
}

async function database(options: Options): Promise<Finding[]> {
  const { dir, spec } = chainPlace(options);
  const path = join(dir, 'db');
  if (!existsSync(path)) return [{ level: 'ok', what: `no database of ${spec.id} yet: the first start makes one` }];
  try {
    await Database.ensureFree(path);
    return [{ level: 'ok', what: `the database of ${spec.id} is free` }];
  } catch (error) {
    return [{ level: 'warn', what: `the database of ${spec.id}`, advice: (error as Error).message }];
  }
}

async function keys(options: Options): Promise<Finding[]> {
  const { dir, spec } = chainPlace(options);
  try {
    const keystore = await keystoreOf(options, dir, spec.chainType === 'Development');
    const listed = await keystore.list();
    return [
      { level: 'ok', what: `keystore: ${listed.length === 0 ? 'empty' : listed.map((k) => k.keyType).join(', ')}` },
    ];
  } catch (error) {
    return [{ level: 'fail', what: 'keystore', advice: (error as Error).message }];
  }
}

async function ports(options: Options): Promise<Finding[]> {
  const wanted = [
    ['rpc-port', integer('rpc-port', options['rpc-port'], 9_944, 1, 65_535)],
    ['port', integer('port', options.port, 30_333, 1, 65_535)],
  ] as const;
  return Promise.all(
    wanted.map(async ([name, port]) =>
      found(
        await portIsFree(port),
        `--${name} ${port}`,
        'in use: does a node run already? Else choose another',
        'warn',
      ),
    ),
  );
}

/** A node that runs: does it answer, follow the chain, and agree about the time? */
async function running({ node }: Options): Promise<Finding[]> {
  if (node === undefined) return [];
  const rpc = new RpcClient(node);
  try {
    await connected(rpc, node);
    const health = await rpc.call<{ peers: number; isSyncing: boolean; shouldHavePeers: boolean }>('system_health');
    const block = await rpc.call<{ number: number; timestampMs: number } | null>('compute_difficulty');
    const ahead = (block?.timestampMs ?? 0) - Date.now();
    return [
      found(
        health.peers > 0 || !health.shouldHavePeers,
        `${node}: ${health.peers} peers`,
        'no peers: give --bootnodes, open --port to the world',
        'warn',
      ),
      found(!health.isSyncing, `block ${block?.number ?? 0}`, 'it is still fetching blocks: wait', 'warn'),
      found(ahead < CLOCK_MS, 'the clock', `blocks come from ${ahead} ms ahead: set the clock (NTP)`, 'warn'),
    ];
  } catch (error) {
    return [{ level: 'fail', what: node, advice: (error as Error).message }];
  } finally {
    rpc.close();
  }
}

async function connected(rpc: RpcClient, node: string): Promise<void> {
  const end = performance.now() + ANSWER_MS;
  while (!rpc.connected) {
    if (performance.now() > end) throw new Error(`no answer within ${ANSWER_MS} ms: is --node ${node} right?`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
