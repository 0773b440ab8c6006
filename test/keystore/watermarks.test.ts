/** # Watermarks: what a key has signed is on disk before it is said, and only rises. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Watermark } from '../../src/consensus/finality/watermark.ts';
import { Watermarks } from '../../src/keystore/watermarks.ts';

const dir = mkdtempSync(join(tmpdir(), 'maitoken-marks-'));
const genesis = new Uint8Array(32).fill(1);
const [alice, bob] = [new Uint8Array(32).fill(2), new Uint8Array(32).fill(3)];
const mark = (id: Uint8Array, setId: bigint, round: bigint, stage: Watermark['stage']): Watermark => {
  const target = { hash: new Uint8Array(32).fill(7), number: 0xffff_ffff };
  const vote = { id, setId, round, stage, target, signature: new Uint8Array(64).fill(8) };
  return { id, setId, round, stage, votes: [vote] };
};
after(() => rmSync(dir, { recursive: true, force: true }));

test('what was raised is there when it is opened again, key by key', async () => {
  const path = join(dir, 'again');
  const marks = await Watermarks.open(path, genesis);
  assert.equal(marks.markOf(alice), undefined);
  await marks.raise(mark(alice, 0n, 7n, 'prevote'));
  assert.deepEqual((await Watermarks.open(path, genesis)).markOf(alice), mark(alice, 0n, 7n, 'prevote'));
  await Promise.all([
    marks.raise(mark(bob, 2n ** 63n, 1n, 'primaryPropose')),
    marks.raise(mark(alice, 0n, 7n, 'precommit')),
  ]);
  const again = await Watermarks.open(path, genesis);
  assert.deepEqual(again.markOf(alice), mark(alice, 0n, 7n, 'precommit'));
  assert.deepEqual(again.markOf(bob), mark(bob, 2n ** 63n, 1n, 'primaryPropose'));
  assert.equal(again.markOf(genesis), undefined);
});

test('a mark never goes down: not in its round, nor to an earlier round or set', async () => {
  const path = join(dir, 'up');
  const marks = await Watermarks.open(path, genesis);
  const high = mark(alice, 3n, 5n, 'prevote');
  await marks.raise(high);
  for (const low of [
    mark(alice, 3n, 5n, 'primaryPropose'),
    mark(alice, 3n, 4n, 'precommit'),
    mark(alice, 2n, 9n, 'precommit'),
  ]) {
    await marks.raise(low);
    assert.deepEqual((await Watermarks.open(path, genesis)).markOf(alice), high);
  }
  for (const higher of [
    mark(alice, 3n, 5n, 'precommit'),
    mark(alice, 3n, 6n, 'primaryPropose'),
    mark(alice, 4n, 1n, 'prevote'),
  ]) {
    await marks.raise(higher);
    assert.deepEqual(marks.markOf(alice), higher);
  }
});

test('a file with any byte changed, cut off, or of another chain is refused, never read as empty', async () => {
  const path = join(dir, 'damaged');
  const marks = await Watermarks.open(path, genesis);
  await marks.raise(mark(alice, 0n, 7n, 'prevote'));
  await assert.rejects(Watermarks.open(path, alice), { code: 'Damaged' });
  const whole = readFileSync(path);
  for (let at = 0; at < whole.length - 1; at++) {
    const bytes = Buffer.from(whole);
    bytes[at] = (bytes[at] as number) ^ 1;
    writeFileSync(path, bytes);
    await assert.rejects(Watermarks.open(path, genesis), { code: 'Damaged' }, `byte ${at}`);
    writeFileSync(path, whole.subarray(0, at));
    await assert.rejects(Watermarks.open(path, genesis), { code: 'Damaged' }, `cut at ${at}`);
  }
});

test('once it could not be written, nothing is, and nobody is told that it was', async () => {
  const path = join(dir, 'gone', 'marks');
  const marks = await Watermarks.open(path, genesis);
  for (let i = 0; i < 2; i++) await assert.rejects(marks.raise(mark(alice, 0n, 1n, 'prevote')), { code: 'Disk' });
});
