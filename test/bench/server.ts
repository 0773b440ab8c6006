/**
 * # Server: a program under measurement, as a process of its own: the kernel counts its CPU and its memory.
 *
 * Always true: it ends with this process. Its CPU and memory are read from /proc, so only on Linux.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Bytes } from '../../src/base/bytes.ts';
import { ss58Encode } from '../../src/crypto/ss58.ts';
import { UNIT } from '../runtime/test-chain.ts';

const ROOT = join(import.meta.dirname, '../..');
const START_MS = 60_000;
/** Of the kernel's clock in /proc, on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

export interface Server {
  readonly process: ChildProcess;
  readonly port: number;
  /** From the start of the process to the first answer. */
  readonly seconds: number;
}

export interface Program {
  readonly file: string;
  readonly args: readonly string[];
  readonly port: number;
  /** A method that it answers once it is ready. */
  readonly method: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A signal ends this process without `exit` unless somebody listens to it. */
function endTogether(child: ChildProcess): void {
  process.once('exit', () => child.kill('SIGKILL'));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    if (process.listenerCount(signal) === 0) process.once(signal, () => process.exit(1));
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts a program and waits for its first answer over HTTP. */
export async function startServer({ file, args, port, method, env }: Program): Promise<Server> {
  const started = performance.now();
  const child = spawn(file, args, { cwd: ROOT, stdio: ['pipe', 'ignore', 'pipe'], env: { ...process.env, ...env } });
  endTogether(child);
  let [said, isGone] = ['', false];
  child.stderr?.on('data', (data) => {
    said = (said + data).slice(-2_000);
  });
  child.once('error', (error) => {
    [said, isGone] = [error.message, true];
  });
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: [] });
  const headers = { 'content-type': 'application/json' };
  while (performance.now() - started < START_MS) {
    if (isGone || child.exitCode !== null) throw new Error(`${file} ended: ${said}`);
    const answer = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', headers, body }).catch(() => undefined);
    if (answer?.ok) {
      await answer.text();
      return { process: child, port, seconds: (performance.now() - started) / 1_000 };
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  child.kill('SIGKILL');
  throw new Error(`${file} does not answer: ${said}`);
}

/** The program that operators start; `nodeArgs` are for the engine that runs it. */
export async function startNode(args: readonly string[], nodeArgs: readonly string[] = []): Promise<Server> {
  const port = await freePort();
  const p2p = args.includes('--listen-addr') ? [] : ['--listen-addr', '/ip4/127.0.0.1/tcp/0'];
  const rest = ['--rpc-port', String(port), ...p2p, '--no-mdns', '--end-with-parent'];
  const argv = ['--no-warnings', ...nodeArgs, 'src/cli/main.ts', ...args, ...rest];
  return startServer({ file: process.execPath, args: argv, port, method: 'system_chain' });
}

export async function stopServer({ process: child }: Server): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
}

/** Resident memory of the process, in MB of 10^6 bytes. */
export function residentMb({ process: child }: Server): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  return Math.round((Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1_024) / 1e6);
}

/** What the process has used so far, all its threads together, in steps of 10 ms. */
export function cpuSeconds({ process: child }: Server): number {
  const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
  // After the name in brackets, which may hold anything: state, ten more, then user and system time (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** The dev spec with these accounts, and work so easy that blocks come when they are due. */
export function specWith(accounts: readonly Bytes[], blockTimeMs: number): string {
  const spec = JSON.parse(readFileSync(join(ROOT, 'genesis/dev.json'), 'utf8')) as {
    consensus: Record<string, unknown>;
    genesis: { runtimeGenesis: { patch: { balances: { balances: [string, string][] } } } };
  };
  spec.consensus.initialDifficulty = String(2 ** 20);
  spec.consensus.blockTimeMs = blockTimeMs;
  const { balances } = spec.genesis.runtimeGenesis.patch.balances;
  for (const account of accounts) balances.push([ss58Encode(account, 42), (10n * UNIT).toString()]);
  return JSON.stringify(spec);
}
