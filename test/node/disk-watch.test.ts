/** # A node notices a disk that fills before a write fails. */
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { DiskWatch, diskState } from '../../src/node/disk-watch.ts';
import { StoreError } from '../../src/state/errors.ts';

const MIB = 1024 * 1024;

function watchOver(freeMib: number[]) {
  const happened: string[] = [];
  const watch = new DiskWatch({
    path: '/',
    log: (level, text) => happened.push(`${level} ${text}`),
    setAuthoring: (may) => happened.push(may ? 'authors' : 'rests'),
    onFatal: (error) => happened.push(error instanceof StoreError ? `fatal ${error.code}` : String(error)),
    free: () => Promise.resolve((freeMib.shift() as number) * MIB),
  });
  return { watch, happened };
}

test('authoring stops below 256 MiB and returns above 384, said once each', async () => {
  const { watch, happened } = watchOver([900, 300, 255, 200, 300, 383, 384]);
  for (let i = 0; i < 7; i++) await watch.check();
  assert.deepEqual(
    happened.map((line) => line.split(':')[0]),
    ['rests', 'warn disk', 'authors', 'info disk'],
  );
});

test('with 32 MiB left the node is ended, by the error of a failing disk and once', async () => {
  const { watch, happened } = watchOver([31, 5]);
  await watch.check();
  await watch.check();
  assert.deepEqual(happened, ['fatal DiskError']);
});

test('a disk near an edge does not turn authoring on and off', () => {
  assert.equal(diskState('fine', 300 * MIB), 'fine');
  assert.equal(diskState('low', 300 * MIB), 'low');
  assert.equal(diskState('full', 300 * MIB), 'low');
});

test('the file system is asked; one that does not answer is a failing disk', async () => {
  const quiet = { log: () => {}, setAuthoring: () => {}, onFatal: () => {} };
  await new DiskWatch({ path: tmpdir(), ...quiet }).check();
  await assert.rejects(
    new DiskWatch({ path: '/no such folder', ...quiet }).check(),
    (error) => error instanceof StoreError && error.code === 'DiskError',
  );
});
