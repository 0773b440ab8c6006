import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../src/base/bytes.ts';
import { bigramLoss } from '../../src/compute/bigram.ts';

const RECORD = 16;
const repeated = (text: string, records: number) => utf8(text.repeat(records * RECORD).slice(0, records * RECORD));

test('of a text that repeats itself, a bigram model expects the next byte', () => {
  assert.ok(bigramLoss(repeated('abcd', 2_000), repeated('abcd', 4), RECORD) < 0.01);
});

test('of bytes that it never saw, it knows no more than that there are 256', () => {
  const loss = bigramLoss(repeated('abcd', 1), repeated('wxyz', 1), RECORD);
  assert.ok(loss > Math.log(256), `${loss}`);
});

test('after a byte with two successors it loses ln 2 where they are as likely', () => {
  // "a" is followed by "b" and by "c"; both are followed by "a".
  const loss = bigramLoss(repeated('abac', 4_000), repeated('abac', 4), RECORD);
  // Records begin with "a": 8 of 15 pairs are a coin's toss, the others are certain.
  assert.ok(Math.abs(loss - (8 / 15) * Math.LN2) < 0.01, `${loss}`);
});

test('pairs across two records do not exist', () => {
  const record = (a: string) => utf8(a.repeat(RECORD));
  const text = new Uint8Array([...record('a'), ...record('b')]);
  assert.ok(bigramLoss(text, record('a'), RECORD) < bigramLoss(text, utf8(`${'a'.repeat(RECORD - 1)}b`), RECORD));
});
