/**
 * # Network: a real network for tests: processes, sockets, LevelDB, and a training job small enough to finish rounds in
 * seconds.
 *
 * Always true: each process, with its children and threads, can read and write its own directory and no other's: Node's
 * permission model refuses it. Whoever starts a network stops it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir, setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bytes, toHex } from '../../src/base/bytes.ts';
import { stateRoot } from '../../src/compute/canonical/state-root.ts';
import { heldOutLoss } from '../../src/compute/engine/held-out-loss.ts';
import { compile } from '../../src/compute/graph/compile.ts';
import { writeStepGraph } from '../../src/compute/graph/step-graph.ts';
import { charTransformer } from '../../src/compute/models/char-transformer.ts';
import { initialWeights } from '../../src/compute/models/initial-weights.ts';
import { minedNodes } from '../../src/compute/plan/planner.ts';
import { BlobClient } from '../../src/miner/blob-client.ts';
import { RpcClient } from '../../src/miner/rpc-client.ts';
import { ENGINE_FLAGS } from '../../src/node/children.ts';
import { peerIdOf } from '../../src/p2p/host.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const MAIN = join(ROOT, 'src', 'cli', 'main.ts');
const CLOCK = join(import.meta.dirname, 'clock.ts');

/** A quarter of the dev model's step: one layer over 16 records of 17 bytes; every linear still fits a slab. */
const SMALL = { V: 256, T: 16, C: 256, L: 1, heads: 4, ffn: 1024, B: 16 } as const;
const STEPS = 30;
const SEGMENT_STEPS = 5;

export interface Assets {
  readonly graph: Bytes;
  readonly evaluation: Bytes;
  readonly theta: readonly Bytes[];
  readonly dataset: Bytes;
  readonly holdout: Bytes;
  readonly spec: string;
}

interface SpecOverrides {
  readonly blockTimeMs?: number;
  readonly initialDifficulty?: string;
  readonly eraBlocks?: number;
  readonly finalityDepth?: number;
}

/** Records of T + 1 bytes from this project's own pages. */
function records(size: number, count: number, pages: readonly string[]): Bytes {
  const text = Buffer.concat(pages.map((page) => readFileSync(join(ROOT, page))));
  const out = new Uint8Array(size * count);
  for (let i = 0; i < count; i++) {
    const from = (i * (size - 1)) % (text.length - size);
    out.set(text.subarray(from, from + size), i * size);
  }
  return out;
}

/** A spec like `local`, with three small jobs. */
export function smallAssets(overrides: SpecOverrides = {}): Assets {
  const size = SMALL.T + 1;
  const fields = [
    { input: 'tokens', type: 'u8', offset: 0 },
    { input: 'labels', type: 'u8', offset: 1 },
  ] as const;
  const optimiser = {
    kind: 'adamw',
    b1: Math.fround(0.9),
    b2: Math.fround(0.95),
    eps: Math.fround(1e-8),
    weightDecay: 0,
  };
  const model = charTransformer(SMALL);
  const compiled = compile(model, {
    loss: 'cross-entropy',
    optimiser: optimiser as Parameters<typeof compile>[1]['optimiser'],
    record: { bytes: size, fields },
  });
  const graph = writeStepGraph(compiled.step);
  const evaluation = writeStepGraph(compiled.evaluation);
  const dataset = records(size, 1_088, ['LICENSE', 'README.md']);
  const holdout = records(size, 64, ['CONTRIBUTING.md']);
  const theta = [0, 1, 2].map((index) => initialWeights(model, new Uint8Array(32).fill(index + 1)));
  const root = (bytes: Bytes): string => toHex(stateRoot([bytes]));
  const spec = JSON.parse(readFileSync(join(ROOT, 'genesis', 'local.json'), 'utf8'));
  spec.id = 'small';
  spec.name = 'mAIToken Small';
  Object.assign(spec.consensus, { blockTimeMs: 1_000, initialDifficulty: '5000000000', eraBlocks: 10, ...overrides });
  const { patch } = spec.genesis.runtimeGenesis;
  patch.jobs.publicJobs = theta.map((weights, index) => ({
    ...patch.jobs.publicJobs[index],
    index,
    stepGraph: root(graph),
    evalGraph: root(evaluation),
    initRoot: root(weights),
    initLoss: heldOutLoss(evaluation, weights, holdout),
    dataset: root(dataset),
    holdout: root(holdout),
    recordBytes: size,
    nRecords: dataset.length / size,
    nHoldout: holdout.length / size,
    params: compiled.theta.length / 4,
    steps: STEPS,
    segmentSteps: SEGMENT_STEPS,
    batch: SMALL.B,
    minedNodes: minedNodes(compiled.step.graph).map(({ m, n, k }) => ({ m, n, k })),
  }));
  return { graph, evaluation, theta, dataset, holdout, spec: JSON.stringify(spec) };
}

/** A port that was free a moment ago. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

export interface Process {
  readonly name: string;
  readonly dir: string;
  readonly log: string;
  child: ChildProcess;
  /** What it may touch, as NODE_OPTIONS. */
  readonly permissions: string;
  /** Starts the same process again, with the same directory and ports, and `more` flags. */
  restart(more?: readonly string[]): void;
}

export class TestNetwork {
  readonly dir = mkdtempSync(join(tmpdir(), 'maitoken-net-'));
  readonly nodes: (Process & { readonly rpcPort: number; readonly rpc: RpcClient })[] = [];
  readonly miners: Process[] = [];
  readonly others: Process[] = [];
  readonly assets: Assets;
  readonly #spec: string;
  /** How far the clocks of processes that start from now on are ahead. */
  clockAheadMs = 0;
  #bootnodes: string[] = [];

  constructor(assets: Assets) {
    this.assets = assets;
    this.#spec = join(this.dir, 'spec.json');
    writeFileSync(this.#spec, assets.spec);
  }

  /** Starts a node; `checker` starts its checker child. */
  async addNode(name: string, checker = true): Promise<void> {
    const dir = join(this.dir, name);
    mkdirSync(dir, { recursive: true });
    const [rpcPort, port] = [await freePort(), await freePort()];
    const seed = new Uint8Array(32).fill(this.nodes.length + 1);
    const args = ['node', '--end-with-parent', '--chain', this.#spec, `--${name}`, '--base-path', dir, '--no-mdns'];
    args.push(
      '--no-miner',
      '--check',
      '--rpc-port',
      String(rpcPort),
      '--port',
      String(port),
      '--node-key',
      toHex(seed).slice(2),
    );
    if (!checker) args.push('--no-checker');
    for (const address of this.#bootnodes) args.push('--bootnodes', address);
    this.#bootnodes.push(`/ip4/127.0.0.1/tcp/${port}/p2p/${await peerIdOf(seed)}`);
    const process = this.#spawn({ name: `node-${name}`, dir, args });
    const rpc = new RpcClient(`ws://127.0.0.1:${rpcPort}`);
    this.nodes.push(Object.assign(process, { rpcPort, rpc }));
    await until(() => rpc.connected, 30_000, `node ${name} answers`);
  }

  /** Hands the genesis blobs of the small jobs to the first node; the others fetch them. */
  async seedBlobs(): Promise<void> {
    const { graph, evaluation, dataset, holdout, theta } = this.assets;
    const blobs = this.blobs(0);
    for (const bytes of [graph, evaluation, dataset, holdout, ...theta]) await blobs.put(bytes);
  }

  /** REST access to the blobs of a node. */
  blobs(node: number): BlobClient {
    const { rpcPort, dir } = this.nodes[node] as (typeof this.nodes)[number];
    const token = readFileSync(join(dir, 'chains', 'small', 'blobs.token'), 'utf8');
    return new BlobClient(`http://127.0.0.1:${rpcPort}`, token);
  }

  addMiner(name: string, node = 0): Process {
    const dir = join(this.dir, `miner-${name}`);
    mkdirSync(dir, { recursive: true });
    const { rpcPort, dir: nodeDir } = this.nodes[node] as (typeof this.nodes)[number];
    const token = join(nodeDir, 'chains', 'small', 'blobs.token');
    const args = [
      'miner',
      '--end-with-parent',
      '--json',
      '--node',
      `ws://127.0.0.1:${rpcPort}`,
      `--${name}`,
      '--dir',
      dir,
    ];
    const process = this.#spawn({ name: `miner-${name}`, dir, args: [...args, '--blob-token-file', token], token });
    this.miners.push(process);
    return process;
  }

  /** Starts a program of the tests beside a node; it is given the node's URL, token file and a folder after `args`. */
  addProgram(script: string, args: readonly string[], node = 0): Process {
    const name = `${script}-${args[0]}`;
    const dir = join(this.dir, name);
    mkdirSync(dir, { recursive: true });
    const { rpcPort, dir: nodeDir } = this.nodes[node] as (typeof this.nodes)[number];
    const token = join(nodeDir, 'chains', 'small', 'blobs.token');
    const file = join(import.meta.dirname, `${script}.ts`);
    const given = [...args, `ws://127.0.0.1:${rpcPort}`, token, dir];
    const process = this.#spawn({ name, dir, args: given, token, file });
    this.others.push(process);
    return process;
  }

  rpc(node = 0): RpcClient {
    return (this.nodes[node] as (typeof this.nodes)[number]).rpc;
  }

  async height(node = 0): Promise<number> {
    const header = await this.rpc(node).call<{ number: string }>('chain_getHeader');
    return Number.parseInt(header.number, 16);
  }

  /** The last lines of every log, for a test that failed. */
  logs(): string {
    const tail = ({ name, log }: Process): string => {
      const lines = readFileSync(log, 'utf8').split('\n').slice(-15);
      return `== ${name}\n${lines.map((line) => line.slice(0, 240)).join('\n')}`;
    };
    return [...this.nodes, ...this.miners, ...this.others].map(tail).join('\n');
  }

  async stop(): Promise<void> {
    for (const { rpc } of this.nodes) rpc.close();
    await Promise.all([...this.others, ...this.miners, ...this.nodes].map(({ child }) => end(child)));
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }

  #spawn({ name, dir, args, token, file = MAIN }: Start): Process {
    const log = join(this.dir, `${name}.log`);
    writeFileSync(log, '');
    const isMiner = name.includes('miner');
    const permissions = permissionsOf([this.#spec, token ?? this.#spec], dir);
    const start = (more: readonly string[] = []): ChildProcess => {
      const ahead = String(this.clockAheadMs);
      const env = { ...process.env, TEST_CLOCK_AHEAD_MS: ahead, NODE_OPTIONS: `${permissions} --import ${CLOCK}` };
      const flags = isMiner ? ENGINE_FLAGS : ['--no-warnings'];
      const argv = [...flags, file, ...args, ...more];
      const child = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'pipe'], env });
      // As the devnet runs them: miners give way to nodes and checkers.
      if (isMiner && child.pid !== undefined) setPriority(child.pid, 10);
      const sink = createWriteStream(log, { flags: 'a' });
      child.stdout?.pipe(sink, { end: false });
      child.stderr?.pipe(sink, { end: false });
      return child;
    };
    const started: Process = {
      name,
      dir,
      log,
      permissions,
      child: start(),
      restart: (more) => {
        started.child = start(more);
      },
    };
    return started;
  }
}

interface Start {
  readonly name: string;
  readonly dir: string;
  readonly args: readonly string[];
  /** The blob token of its node: the one file of another process that it may read. */
  readonly token?: string;
  readonly file?: string;
}

/** What natives look up about the system they run on. */
const SYSTEM = ['/etc', '/proc', '/usr', '/lib'];

/** The program, the system and these files may be read, `own` and the cache of compiled modules be written. */
function permissionsOf(files: readonly string[], own: string): string {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'maitoken');
  const read = [ROOT, realpathSync(join(ROOT, 'node_modules')), ...SYSTEM, ...files, own, cache];
  return [
    '--permission --allow-child-process --allow-worker --allow-addons',
    ...read.map((path) => `--allow-fs-read=${path}`),
    ...[own, cache].map((path) => `--allow-fs-write=${path}`),
  ].join(' ');
}

/** Ends a process: SIGTERM, and SIGKILL after 10 s. */
export async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  const insist = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await ended;
  clearTimeout(insist);
}

/** Waits until the condition holds; fails with its name after `timeoutMs`. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  timeoutMs: number,
  name: string,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    try {
      if (await condition()) return;
    } catch (error) {
      // A node that is down or starting: asked again until the deadline.
      if (!['RpcDisconnected', 'RpcRefused'].includes((error as Error).name)) throw error;
    }
    if (Date.now() > deadline) throw new Error(`after ${timeoutMs / 1000} s still not: ${name}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
