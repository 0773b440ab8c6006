import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Bytes, equal, toHex } from '../../src/base/bytes.ts';
import { type BlobStat, blobId, CHUNK_BYTES, fits, idOf, keyOf, runFits, statOf } from '../../src/blobs/tree.ts';
import { merkleLeaf, merkleNode, merkleRoot } from '../../src/compute/merkle.ts';
import { blob } from './bytes.ts';

const VECTORS = join(import.meta.dirname, '../../../shared/vectors/engine.json');

/** The root by the words of the specification: 4,096-byte leaves, no chunks. */
function rootOf(bytes: Bytes): Bytes {
  const leaves: Bytes[] = [];
  for (let at = 0; at < bytes.length; at += 4_096) leaves.push(merkleLeaf(bytes.subarray(at, at + 4_096)));
  return merkleRoot(leaves);
}

test('the id of a blob is the root over all its leaves, however it is cut into chunks', () => {
  const edges = [1, 4_095, 4_096, 4_097, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 5 * CHUNK_BYTES + 4_097];
  for (const length of edges) {
    const bytes = blob(length, length);
    assert.equal(toHex(idOf(statOf(bytes))), toHex(rootOf(bytes)), `${length} bytes`);
  }
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3 * CHUNK_BYTES }), fc.nat(), (length, seed) => {
      const bytes = blob(length, seed);
      assert.ok(equal(idOf(statOf(bytes)), rootOf(bytes)));
    }),
    { numRuns: 20 },
  );
});

const absent = existsSync(VECTORS) ? false : 'notice: ../shared/vectors/engine.json is absent; its cases are skipped';
if (absent !== false) console.error(absent);

test('the root of a state in the engine vectors is the id of its bytes', { skip: absent }, () => {
  const { cases } = JSON.parse(readFileSync(VECTORS, 'utf8')) as {
    cases: { rule: string; in: Record<string, string>; out: { root: string } }[];
  };
  const roots = cases.filter(({ rule }) => rule === 'stateRoot');
  assert.ok(roots.length >= 2);
  for (const { in: parts, out } of roots) {
    // The vectors spell each f32 as a big-endian word; a state holds them little-endian.
    const words = [parts.theta, parts.m, parts.v].flatMap((hex) => hex?.match(/.{8}/g) ?? []);
    const bytes = new Uint8Array(4 * words.length);
    words.forEach((word, i) => {
      new DataView(bytes.buffer).setUint32(4 * i, Number.parseInt(word, 16), true);
    });
    assert.equal(keyOf(idOf(statOf(bytes))), out.root);
  }
});

test('a changed bit in a chunk, a chunk in a wrong place, or a cut one does not fit', () => {
  const bytes = blob(3 * CHUNK_BYTES + 5_000, 1);
  const stat = statOf(bytes);
  const chunk = (i: number) => bytes.slice(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES);
  for (const i of [0, 1, 2, 3]) assert.ok(runFits(stat, i, chunk(i)));
  assert.ok(runFits(stat, 0, bytes));
  assert.ok(runFits(stat, 2, bytes.subarray(2 * CHUNK_BYTES)));
  const flipped = chunk(1);
  flipped[70_000] = (flipped[70_000] ?? 0) ^ 1;
  assert.ok(!runFits(stat, 1, flipped));
  assert.ok(!runFits(stat, 0, chunk(1)));
  assert.ok(!runFits(stat, 1, chunk(1).subarray(1)));
  assert.ok(!runFits(stat, 3, bytes.subarray(3 * CHUNK_BYTES, 3 * CHUNK_BYTES + 4_999)));
  assert.ok(!runFits(stat, 4, chunk(3)));
  assert.ok(!runFits(stat, 0, new Uint8Array(0)));
  for (const first of [-1, 0.5, Number.NaN, 2 ** 32]) assert.ok(!runFits(stat, first, chunk(0)));
});

test('nodes of another level pass as a description of another length, but no bytes fit them', () => {
  const bytes = blob(4 * CHUNK_BYTES, 2);
  const stat = statOf(bytes);
  const id = idOf(stat);
  const [c0, c1, c2, c3] = stat.chunkRoots as [Bytes, Bytes, Bytes, Bytes];
  const shorter: BlobStat = { length: 2 * CHUNK_BYTES, chunkRoots: [merkleNode(c0, c1), merkleNode(c2, c3)] };
  assert.ok(fits(id, shorter), 'this is why a caller that knows the length says it');
  assert.ok(!runFits(shorter, 0, bytes.subarray(0, CHUNK_BYTES)));
  assert.ok(!fits(id, { ...shorter, length: 2 * CHUNK_BYTES + 1 }), 'the number of roots follows from the length');
  assert.ok(!fits(id, { length: bytes.length, chunkRoots: [c1, c0, c2, c3] }));
  for (const length of [0, -1, 0.5, Number.NaN, 2 ** 31]) assert.ok(!fits(id, { ...stat, length }));
  assert.ok(!fits(id, { length: 1, chunkRoots: [] }));
});

test('an id is 64 lower-case hex digits and nothing else', () => {
  const text = 'a'.repeat(64);
  assert.equal(keyOf(blobId(text)), text);
  assert.equal(keyOf(blobId(`0x${text}`)), text);
  const wrong = [
    '',
    text.slice(1),
    `${text}a`,
    text.toUpperCase(),
    `../${text}`,
    `${text}/..`,
    ` ${text}`,
    `${text}\n`,
  ];
  for (const bad of [...wrong, `0X${text}`, `${'%2e'.repeat(21)}a`, `${'a'.repeat(63)}\0`]) {
    assert.throws(() => blobId(bad), { name: 'BlobError', code: 'BadId' }, JSON.stringify(bad));
  }
  assert.throws(() => keyOf(new Uint8Array(31)), { code: 'BadId' });
});
