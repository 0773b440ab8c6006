import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bytes, utf8 } from '../../src/base/bytes.ts';
import { CorpusError, packCorpus, RECORD_BYTES } from '../../src/compute/corpus.ts';

/** Text without repetition: numbered words. */
const words = (from: number, count: number): Bytes =>
  utf8(Array.from({ length: count }, (_, i) => `word ${from + i} of this text`).join(' '));
const BATCH = 8;

/** The records of a packed part as texts. */
function records(packed: Bytes): string[] {
  const all: string[] = [];
  for (let at = 0; at < packed.length; at += RECORD_BYTES) {
    all.push(String.fromCharCode(...packed.subarray(at, at + RECORD_BYTES)));
  }
  return all;
}

test('records are 65 bytes at stride 64, none twice, and held-out files share none with training', () => {
  const files = Array.from({ length: 20 }, (_, i) => ({ name: `f${i}`, bytes: words(i * 10_000, 500) }));
  // The last file by name repeats another: what it holds out may not be trained on.
  const repeated = [...files, { name: 'z', bytes: files[3]?.bytes ?? new Uint8Array() }];
  const { train, holdout, nRecords, nHoldout, recordBytes } = packCorpus(repeated, BATCH);
  assert.equal(recordBytes, RECORD_BYTES);
  assert.equal(train.length, nRecords * RECORD_BYTES);
  assert.equal(holdout.length, nHoldout * RECORD_BYTES);
  assert.equal(nHoldout % BATCH, 0);
  const [trained, held] = [records(train), records(holdout)];
  assert.equal(new Set([...trained, ...held]).size, trained.length + held.length);
  const first = files[0]?.bytes as Bytes;
  assert.equal(trained[0], String.fromCharCode(...first.subarray(0, 65)));
  assert.equal(trained[1], String.fromCharCode(...first.subarray(64, 129)));
});

test('the same files in another order are the same corpus', () => {
  const files = Array.from({ length: 12 }, (_, i) => ({ name: `f${i}`, bytes: words(i * 10_000, 400) }));
  assert.deepEqual(packCorpus(files.toReversed(), BATCH), packCorpus(files, BATCH));
});

test('of a single file the last tenth is held out', () => {
  const bytes = words(0, 12_000);
  const { holdout } = packCorpus([{ name: 'one', bytes }], BATCH);
  const at = Math.floor((bytes.length * 9) / 10);
  assert.equal(records(holdout)[0], String.fromCharCode(...bytes.subarray(at, at + 65)));
});

test('ten megabytes of text are a corpus like any other', () => {
  const { nRecords } = packCorpus([{ name: 'large', bytes: words(0, 500_000) }], BATCH);
  assert.ok(nRecords > 150_000);
});

test('too little text is refused with the number that is needed', () => {
  assert.throws(() => packCorpus([{ name: 'small', bytes: words(0, 100) }], BATCH), CorpusError);
  assert.throws(() => packCorpus([{ name: 'same', bytes: new Uint8Array(1_000_000) }], BATCH), /too little text/);
});
