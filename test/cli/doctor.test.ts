/** # Doctor and benchmark: what an operator asks of a machine before he trusts it with a node. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { DevMiner, startDevNode } from '../rpc/dev-node.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts');
const dir = mkdtempSync(join(tmpdir(), 'maitoken-doctor-'));
after(() => rmSync(dir, { recursive: true, force: true }));

interface Finding {
  readonly level: 'ok' | 'warn' | 'fail';
  readonly what: string;
  readonly advice?: string;
}

/** Runs a command beside this process, which may be serving. */
async function maitoken(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, ['--no-warnings', MAIN, ...args]);
  let [out, err] = ['', ''];
  child.stdout.on('data', (data: Buffer) => {
    out += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    err += data.toString();
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, out, err };
}

async function doctor(...args: string[]): Promise<{ code: number | null; findings: Finding[] }> {
  const { code, out } = await maitoken('doctor', '--json', ...args);
  return {
    code,
    findings: out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Finding),
  };
}

test('a machine that can run a node is told so, and nothing is left on its disk', async () => {
  const base = join(dir, 'fresh');
  const { code, findings } = await doctor('--base-path', base);
  assert.equal(code, 0);
  assert.deepEqual(
    findings.filter(({ level }) => level === 'fail'),
    [],
  );
  assert.ok(findings.some(({ what }) => /trains and mines as the plain reference/.test(what)));
  assert.deepEqual(readdirSync(dir), []);
});

test('a taken port, a readable key and a node that is not there are each named with what to do', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const base = join(dir, 'faulty');
  const keystore = join(base, 'chains', 'local', 'keystore');
  mkdirSync(keystore, { recursive: true });
  const key = join(keystore, `636f6d70${'11'.repeat(32)}`);
  writeFileSync(key, '"//Alice"');
  chmodSync(keystore, 0o777);
  const { code, findings } = await doctor(
    ...['--base-path', base, '--rpc-port', String(port), '--node', 'ws://127.0.0.1:1'],
  );
  server.close();
  assert.equal(code, 1);
  const said = (what: RegExp): Finding | undefined => findings.find((one) => what.test(one.what));
  assert.equal(said(/--rpc-port/)?.level, 'warn');
  assert.equal(said(/ws:\/\/127/)?.level, 'fail');
  for (const { level, what, advice } of findings) if (level !== 'ok') assert.ok(advice, what);
});

test('a node that runs is looked at: its peers, its blocks, its clock', async () => {
  const dev = await startDevNode();
  const miner = new DevMiner(dev.ws);
  try {
    const { code, findings } = await doctor('--base-path', join(dir, 'other'), '--node', dev.ws);
    assert.equal(code, 0);
    assert.ok(findings.some(({ level, what }) => level === 'ok' && what.startsWith('block ')));
    assert.ok(findings.some(({ level, what }) => level === 'ok' && what === 'the clock'));
  } finally {
    miner.stop();
    await dev.stop();
  }
});

test('benchmark machine measures processor and disk; without a word it says what there is', async () => {
  const { code, out } = await maitoken('benchmark', 'machine', '--json', '--base-path', dir);
  assert.equal(code, 0);
  const figures = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { name: string; value: number; unit: string });
  assert.equal(figures.length, 7);
  for (const { name, value } of figures) assert.ok(Number.isFinite(value) && value > 0, name);
  assert.deepEqual(
    readdirSync(dir).filter((name) => name.startsWith('maitoken-benchmark')),
    [],
  );
  const wrong = spawnSync(process.execPath, ['--no-warnings', MAIN, 'benchmark', 'nothing'], { encoding: 'utf8' });
  assert.equal(wrong.status, 2);
  assert.match(wrong.stderr, /machine or compute/);
});
