/**
 * # Ten minutes: `npm run test:acceptance` starts the devnet as a newcomer would, leaves it alone for ten minutes on
 * otherwise idle cores, and checks what it then has; stops it with Ctrl-C, and starts it once more from disk.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex } from '../../src/base/bytes.ts';
import { devIdentity } from '../../src/cli/commands/miner.ts';
import { RpcClient } from '../../src/miner/rpc-client.ts';
import type { JobJson } from '../../src/miner/wire.ts';

const MINUTES = Number(process.argv[2] ?? 10);
const RPC_PORT = 19_944;
const P2P_PORT = 31_333;
const BLOCK_S = 3;
const root = join(import.meta.dirname, '..', '..');
const dir = mkdtempSync(join(tmpdir(), 'maitoken-ten-'));
let missed = 0;

function check(holds: boolean, what: string): void {
  if (!holds) missed++;
  console.log(`${holds ? 'ok    ' : 'MISSED'} ${what}`);
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Starts the launcher; its screen is ours. */
function launch(): { child: ChildProcess; ended: Promise<number | null> } {
  const args = ['devnet', '--dir', dir, '--rpc-port', String(RPC_PORT), '--port', String(P2P_PORT)];
  const script = join(root, 'scripts', 'run.mjs');
  const child = spawn(process.execPath, [script, ...args], { stdio: 'inherit', cwd: root });
  return { child, ended: new Promise((resolve) => child.once('exit', resolve)) };
}

/** What a command of the program prints. */
function maitoken(...args: string[]): string {
  const argv = ['--no-warnings', join(root, 'src', 'cli', 'main.ts'), ...args];
  return execFileSync(process.execPath, argv, { encoding: 'utf8', timeout: 120_000 });
}

/** Resolves with the seconds it took. */
async function until(holds: () => Promise<boolean>, seconds: number): Promise<number> {
  const started = Date.now();
  while (Date.now() - started < seconds * 1_000) {
    if (await holds().catch(() => false)) break;
    await pause(100);
  }
  return (Date.now() - started) / 1_000;
}

const clients = [0, 1, 2].map((i) => new RpcClient(`ws://127.0.0.1:${RPC_PORT + i}`));
const ask = <T>(node: number, method: string, params: readonly unknown[] = []): Promise<T> =>
  (clients[node] as RpcClient).call<T>(method, params);
const height = async (node = 0): Promise<number> =>
  Number((await ask<{ number: string }>(node, 'chain_getHeader')).number);

/** What both miners say that they multiply, in MAC per second: the mean of their last three minutes. */
function macRate(): number {
  return ['alice', 'bob'].reduce((sum, name) => {
    const lines = readFileSync(join(dir, `miner-${name}`, 'miner.log'), 'utf8').matchAll(/"gmacs":\[[^,]*,([^,]*),/g);
    const rates = [...lines].slice(-3).map(([, rate]) => Number(rate));
    return sum + (1e9 * rates.reduce((a, b) => a + b, 0)) / Math.max(1, rates.length);
  }, 0);
}

interface RoundJson {
  readonly loss_before: number;
  readonly phase: string;
  readonly loss: number;
}

async function finalRounds(job: JobJson): Promise<RoundJson[]> {
  const rounds: RoundJson[] = [];
  for (let r = 0; r < job.round.r; r++) rounds.push(await ask<RoundJson>(0, 'compute_round', [job.id, r]));
  return rounds.filter(({ phase }) => phase === 'Final');
}

try {
  const first = launch();
  await until(async () => (await ask(0, 'system_health')) !== null, 60);
  const started = Date.now();
  const firstBlock = await until(async () => (await height()) > 0, 60);
  check(firstBlock <= 30, `the first block ${firstBlock.toFixed(1)} s after the first node answered (30)`);
  await pause(started + MINUTES * 60_000 - Date.now());

  const blocks = await height();
  check(blocks >= 10 * MINUTES, `${blocks} blocks in ${MINUTES} minutes (${10 * MINUTES})`);
  const jobs = await ask<JobJson[]>(0, 'compute_jobs');
  const rounds = await Promise.all(jobs.map(finalRounds));
  const counts = rounds.map(({ length }) => length);
  check(counts.filter((count) => count >= 5).length >= 2, `rounds Final by job: ${counts.join(', ')} (5 on two jobs)`);
  const all = counts.reduce((a, b) => a + b, 0);
  check(all >= 12, `${all} rounds Final (12)`);
  const losses = rounds[0]?.map(({ loss }) => loss.toFixed(3)) ?? [];
  const { bigram } = await ask<{ bigram: number }>(0, 'compute_baseline', [jobs[0]?.id]);
  const [at, last] = [rounds[0]?.[0]?.loss_before ?? 0, Number(losses.at(-1))];
  const fell = `${at.toFixed(3)} ${losses.join(' ')} (bigram ${bigram.toFixed(3)})`;
  check(at > 5.4 && last < 3 && last < bigram, `held-out loss of the first job: ${fell}`);
  type Explained = { paid: string; pending: string };
  for (const name of ['alice', 'bob']) {
    const { paid } = await ask<Explained>(0, 'rewards_explain', [toHex(devIdentity(name).account)]);
    check(BigInt(paid) > 0n, `${name} was paid ${(Number(paid) / 1e12).toFixed(3)} mAI`);
  }
  const holder = await ask<Explained>(0, 'rewards_explain', [toHex(devIdentity('ferdie').account)]);
  check(BigInt(holder.paid) + BigInt(holder.pending) === 0n, 'an account that only holds was paid nothing');
  for (const node of [0, 1, 2]) {
    const { exact } = await ask<{ exact: boolean }>(node, 'rewards_supplyAudit');
    check(exact, `the supply of node ${node} is exact`);
  }
  const agree = async (): Promise<boolean> => {
    const lowest = Math.min(...(await Promise.all([0, 1, 2].map(height))));
    const hashes = await Promise.all([0, 1, 2].map((node) => ask(node, 'chain_getBlockHash', [lowest])));
    return new Set(hashes).size === 1;
  };
  check((await until(agree, 10)) < 10, 'the three nodes are on one head');
  const { difficulty } = await ask<{ difficulty: string }>(0, 'compute_difficulty');
  const ratio = Number(difficulty) / (BLOCK_S * macRate());
  check(ratio > 0.5 && ratio < 2, `D is ${ratio.toFixed(2)} of 3 s of the miners’ own MAC rate (0.5 to 2)`);

  const pulled = join(dir, 'pulled');
  maitoken('job', 'pull', '--node', `ws://127.0.0.1:${RPC_PORT}`, '--out', pulled);
  const { chainLoss, onnxRuntimeLoss } = JSON.parse(readFileSync(join(pulled, 'trainer_state.json'), 'utf8'));
  const apart = Math.abs(chainLoss - onnxRuntimeLoss);
  check(
    apart <= 1e-2,
    `the pulled model’s held-out loss in ONNX Runtime is ${apart.toExponential(1)} from the chain’s`,
  );
  const text = maitoken('job', 'sample', '--node', `ws://127.0.0.1:${RPC_PORT}`, '--prompt', 'const ');
  check(text.startsWith('const ') && text.length > 100, `it writes: ${JSON.stringify(text.slice(0, 80))}`);

  const settled = await ask<string>(0, 'chain_getFinalizedHead');
  first.child.kill('SIGINT');
  const code = await first.ended;
  check(code === 0, `Ctrl-C ended it with ${code}`);

  const second = launch();
  await until(async () => (await ask(0, 'system_health')) !== null, 60);
  const known = await ask<unknown>(0, 'chain_getHeader', [settled]).catch(() => null);
  const from = await height();
  const grown = await until(async () => (await height()) > from, 60);
  check(known !== null && from + 8 >= blocks && grown < 60, `a second start went on from block ${from}`);
  second.child.kill('SIGINT');
  check((await second.ended) === 0, 'and ended cleanly');
} finally {
  for (const client of clients) client.close();
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
}
console.log(missed === 0 ? '1 passed, 0 failed' : `${missed} missed`);
process.exit(missed === 0 ? 0 : 1);
