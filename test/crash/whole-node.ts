/**
 * # Whole node: the program that operators start, on a disk whose syncs begin to fail, and on one that fills. It ends by
 * itself with the code and the message of a failing disk, and its chain is there when the disk is mended.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../bench/server.ts';
import { DevMiner, easySpec } from '../rpc/dev-node.ts';
import { shimEnv } from './shim.ts';

const ROOT = join(import.meta.dirname, '../..');
const WAIT_MS = 120_000;
const MIB = 1024 * 1024;
/** What docs/operator.md says of the disk. */
const EXIT_STORE = 4;

interface Running {
  readonly child: ChildProcess;
  readonly port: number;
  readonly ended: Promise<number | null>;
  /** All that it said so far. */
  said(): string;
}

/** What was not as required; nothing where all was. */
export async function failingSync(folder: string, shim: string): Promise<string[]> {
  const spec = specIn(folder);
  const base = join(folder, 'base');
  mkdirSync(base);
  const out: string[] = [];
  // Behind the start, which takes about twenty: in the middle of the first blocks.
  const node = await start(spec, base, shimEnv(shim, base, { plan: 'sync:40:fail' }));
  const miner = new DevMiner(`ws://127.0.0.1:${node.port}`);
  const code = await node.ended;
  miner.stop();
  if (code !== EXIT_STORE) out.push(`exit ${code}: ${node.said().slice(-500)}`);
  if (!/fatal: the disk refused to read or write.*check free space/.test(node.said())) out.push('no line says it');
  const again = await start(spec, base, {});
  const best = await heightOf(again.port);
  if (best < 1) out.push(`after it the best block is ${best}`);
  again.child.kill('SIGTERM');
  if ((await again.ended) !== 0) out.push('the node on the mended disk does not stop cleanly');
  return out;
}

/** The same for a disk that fills: a small file system of its own; undefined where none can be mounted. */
export async function fillingDisk(folder: string): Promise<string[] | undefined> {
  const base = join(folder, 'small');
  mkdirSync(base);
  const size = 200;
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}m`, 'none', base], { encoding: 'utf8' });
  if (mounted.status !== 0) return undefined;
  try {
    return await filled(specIn(folder), base);
  } finally {
    spawnSync('umount', [base]);
  }
}

async function filled(spec: string, base: string): Promise<string[]> {
  const out: string[] = [];
  const node = await start(spec, base, {});
  if (!/no block is made here/.test(node.said())) out.push('a small disk is not told');
  const miner = new DevMiner(`ws://127.0.0.1:${node.port}`);
  const { bavail, bsize } = statfsSync(base);
  const ballast = join(base, 'ballast');
  writeFileSync(ballast, new Uint8Array(bavail * bsize - 20 * MIB));
  const code = await node.ended;
  miner.stop();
  if (code !== EXIT_STORE) out.push(`exit ${code}: ${node.said().slice(-500)}`);
  if (!/fatal: .*MiB are left.*check free space/.test(node.said())) out.push('no line says it');
  rmSync(ballast);
  const again = await start(spec, base, {});
  // Nothing was made while there was no room.
  const best = await heightOf(again.port);
  if (best !== 0) out.push(`block ${best} was made on a disk without room`);
  again.child.kill('SIGTERM');
  await again.ended;
  return out;
}

function specIn(folder: string): string {
  const path = join(folder, 'spec.json');
  writeFileSync(path, easySpec());
  return path;
}

async function start(spec: string, base: string, env: Readonly<Record<string, string>>): Promise<Running> {
  const port = await freePort();
  const flags = ['--chain', spec, '--base-path', base, '--rpc-port', String(port), '--no-mdns', '--no-prometheus'];
  const argv = ['--no-warnings', 'src/cli/main.ts', ...flags, '--listen-addr', '/ip4/127.0.0.1/tcp/0'];
  const child = spawn(process.execPath, [...argv, '--end-with-parent'], {
    cwd: ROOT,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  }
  const limit = setTimeout(() => child.kill('SIGKILL'), WAIT_MS);
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  void ended.then(() => clearTimeout(limit));
  const running = { child, port, ended, said: () => said };
  while (child.exitCode === null && (await heightOf(port)) < 0) await new Promise((resolve) => setTimeout(resolve, 50));
  return running;
}

/** Height of the best block; -1 while nobody answers. */
async function heightOf(port: number): Promise<number> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'chain_getHeader', params: [] });
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', headers, body }).catch(() => undefined);
  if (!answer?.ok) return -1;
  const { result } = (await answer.json()) as { result: { number: string } };
  return Number(result.number);
}
