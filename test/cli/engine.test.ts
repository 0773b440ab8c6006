/** # Engine commands: a task provider's first steps: a forward model, its step graph, and one run on each executor. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { readNpy, writeNpy } from '../../src/compute/engine/npy.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts');
const dir = mkdtempSync(join(tmpdir(), 'maitoken-engine-'));
after(() => rmSync(dir, { recursive: true, force: true }));

function engine(...args: string[]): string {
  const argv = ['--no-warnings', MAIN, 'engine', ...args];
  const done = spawnSync(process.execPath, argv, { encoding: 'utf8', timeout: 60_000, cwd: dir });
  assert.equal(done.status, 0, done.stderr);
  return done.stdout;
}

test('a forward model is compiled, and all three executors run its step from the same files', () => {
  const sizes = ['--width', '64', '--layers', '1', '--batch', '2', '--tokens', '8'];
  engine('model', 'char-transformer', '--seed', `0x${'2a'.repeat(32)}`, ...sizes, '--output', 'model.onnx');
  const said = engine('compile', 'model.onnx', '--loss', 'cross-entropy', '--optimizer', 'adamw', '--output', '.');
  for (const name of ['nodes', 'mined share', 'FLOPs', 'memory', 'SHA-256']) assert.match(said, new RegExp(name));
  const bytes = (factor: number) => BigInt64Array.from({ length: 16 }, (_, i) => BigInt((i * factor) % 256));
  writeFileSync(join(dir, 'tokens.npy'), writeNpy({ type: 'i64', dims: [2, 8], data: bytes(37) }));
  writeFileSync(join(dir, 'labels.npy'), writeNpy({ type: 'i64', dims: [2, 8], data: bytes(91) }));
  const inputs = ['tokens', 'labels', 'theta'].flatMap((name) => ['--input', `${name}=${name}.npy`]);
  const run = (executor: string): string =>
    engine('run', 'step.onnx', ...inputs, '--executor', executor, '--output', executor);
  const hashes = (text: string): string[] => text.match(/[0-9a-f]{64}/g) ?? [];
  const [wasm, js] = [hashes(run('wasm')), hashes(run('js'))];
  assert.ok(wasm.length >= 4);
  assert.deepEqual(wasm, js);
  run('onnxruntime');
  const loss = (executor: string): number => Number(readNpy(readFileSync(join(dir, executor, 'loss.npy'))).data[0]);
  assert.ok(Math.abs(loss('onnxruntime') - loss('wasm')) <= 1e-3 * loss('wasm'));
});
