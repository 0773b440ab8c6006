import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bytes, concat, littleEndian, toHex, utf8 } from '../../src/base/bytes.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import { fragmentId, receiptOf, stepSeed } from '../../src/primitives/fragment.ts';

const of = (byte: number): Bytes => new Uint8Array(32).fill(byte);
const u32 = (value: number): Bytes => littleEndian(BigInt(value), 4);
const seed = { job: of(1), r: 2, k: 3, randomness: of(4) };

test('a fragment’s id binds job, round, index, miner and randomness', () => {
  const bytes = concat(utf8('cpow/1/fragment'), of(1), u32(2), u32(3), of(5), of(4));
  assert.deepEqual(fragmentId(seed, of(5)), blake2_256(bytes));
  const others = [
    { ...seed, job: of(0) },
    { ...seed, r: 0 },
    { ...seed, k: 0 },
    { ...seed, randomness: of(0) },
  ];
  const ids = [...others.map((other) => fragmentId(other, of(5))), fragmentId(seed, of(5)), fragmentId(seed, of(6))];
  assert.equal(new Set(ids.map(toHex)).size, 6);
});

test('a step’s seed follows from the fragment and the step, whoever trains it', () => {
  const bytes = concat(utf8('cpow/1/step'), of(4), of(1), u32(2), u32(3), u32(100));
  assert.deepEqual(stepSeed(seed, 100), blake2_256(bytes));
});

test('a receipt binds its checker, salt and digest', () => {
  assert.deepEqual(receiptOf(of(1), of(2), of(3)), blake2_256(concat(of(1), of(2), of(3))));
});
