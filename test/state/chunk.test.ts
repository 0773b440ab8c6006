/** # Chunks: a state told part by part is the state; nothing can be left out, added, changed or moved. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Bytes, compare, concat, toHex } from '../../src/base/bytes.ts';
import { CodecError } from '../../src/codec/index.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import { StateTree } from '../../src/state/tree.ts';
import { MAX_CHUNK_ENTRIES, MAX_KEY_BYTES, StateChunk } from '../../src/state/trie/chunk.ts';
import { chunkFault } from '../../src/state/trie/chunk-check.ts';

/** Keys that often share nibbles, or are prefixes of each other. */
const key = fc.oneof(
  fc.array(fc.constantFrom(0x00, 0x01, 0x10, 0x11, 0xff), { maxLength: 5 }).map((a) => Uint8Array.from(a)),
  fc.uint8Array({ maxLength: 40 }),
);
/** Lengths around 32, where state version 1 begins to hash. */
const value = fc.oneof(fc.uint8Array({ maxLength: 4 }), fc.uint8Array({ minLength: 30, maxLength: 34 }));
const state = fc.array(fc.tuple(key, value), { maxLength: 40 });
const version = fc.constantFrom<0 | 1>(0, 1);
const limits = fc.record({ bytes: fc.integer({ min: 1, max: 400 }), entries: fc.integer({ min: 1, max: 12 }) });

/** As it comes out of the wire. */
const sent = (chunk: StateChunk): StateChunk => StateChunk.dec(StateChunk.enc(chunk));

function truth(tree: StateTree, after: Bytes | undefined, chunk: StateChunk): [Bytes, Bytes][] {
  const last = chunk.entries.at(-1)?.[0];
  return [...tree.entries()].filter(
    ([k]) =>
      (after === undefined || compare(k, after) > 0) &&
      (chunk.complete || (last !== undefined && compare(k, last) <= 0)),
  );
}

test('chunk after chunk verifies, and together they are the state and its root', () => {
  fc.assert(
    fc.property(version, state, limits, (v, entries, size) => {
      const tree = StateTree.from(entries, v);
      const told: [Bytes, Bytes][] = [];
      let after: Bytes | undefined;
      for (let complete = false; !complete; ) {
        const chunk = sent(tree.chunk(after, size));
        assert.equal(chunkFault(tree.root, after, chunk, v), undefined);
        assert.ok(chunk.entries.length <= size.entries);
        for (const [k, x] of chunk.entries) told.push([k, x]);
        after = chunk.entries.at(-1)?.[0];
        complete = chunk.complete;
      }
      assert.deepEqual(told, [...tree.entries()]);
      assert.deepEqual(StateTree.from(told, v).root, tree.root);
    }),
    { numRuns: 300 },
  );
});

/** A way to lie about a chunk; undefined when this one does not apply. */
type Lie = (chunk: StateChunk, at: number, seed: number) => StateChunk | undefined;

const LIES: Readonly<Record<string, Lie>> = {
  'a pair is dropped': ({ entries, ...rest }, at) => ({ ...rest, entries: entries.filter((_, i) => i !== at) }),
  'a value is changed': (chunk, at, seed) => {
    const [k, x] = chunk.entries[at] ?? [];
    if (k === undefined || x === undefined) return undefined;
    const other = x.length === 0 ? Uint8Array.of(seed) : x.with(0, (x[0] ?? 0) ^ ((seed % 255) + 1));
    return { ...chunk, entries: chunk.entries.with(at, [k, other]) };
  },
  'a key is changed': (chunk, at, seed) => {
    const [k, x] = chunk.entries[at] ?? [];
    if (k === undefined || x === undefined || k.length === 0) return undefined;
    const other = k.with(seed % k.length, (k[seed % k.length] ?? 0) ^ 1);
    const entries = chunk.entries.with(at, [other, x]);
    return { ...chunk, entries: [...entries].sort(([a], [b]) => compare(a, b)) };
  },
  'a pair is added': (chunk, at, seed) => {
    const [k] = chunk.entries[at] ?? [];
    if (k === undefined || chunk.entries.length === 0) return undefined;
    const added = concat(k, Uint8Array.of(seed & 255));
    if (chunk.entries.some(([other]) => compare(other, added) === 0)) return undefined;
    const entries = [...chunk.entries, [added, Uint8Array.of(1)] as const];
    return { ...chunk, entries: entries.sort(([a], [b]) => compare(a, b)) };
  },
  'two pairs change places': (chunk, at) => {
    const [a, b] = [chunk.entries[at], chunk.entries[at + 1]];
    if (a === undefined || b === undefined) return undefined;
    return { ...chunk, entries: chunk.entries.with(at, b).with(at + 1, a) };
  },
  'a pair is told twice': (chunk, at) => {
    const pair = chunk.entries[at];
    return pair === undefined ? undefined : { ...chunk, entries: chunk.entries.toSpliced(at, 0, pair) };
  },
  'a node of the proof is missing': (chunk, at) => {
    const { proof } = chunk;
    return { ...chunk, proof: proof.filter((_, i) => i !== at % proof.length) };
  },
  'a node of the proof is changed': (chunk, at, seed) => {
    const { proof } = chunk;
    const node = proof[at % proof.length] as Bytes;
    const other = node.with(seed % node.length, (node[seed % node.length] ?? 0) ^ 4);
    return { ...chunk, proof: proof.with(at % proof.length, other) };
  },
  'a node is there twice': (chunk) => ({ ...chunk, proof: [...chunk.proof, chunk.proof[0] as Bytes] }),
  'the end is said to be reached, or not': (chunk) => ({ ...chunk, complete: !chunk.complete }),
  'only the beginning is told': (chunk, at) => ({ ...chunk, entries: chunk.entries.slice(0, at), complete: true }),
};

for (const [name, lie] of Object.entries(LIES)) {
  test(`${name}: refused`, () => {
    let told = 0;
    fc.assert(
      fc.property(version, state, limits, fc.option(key, { nil: undefined }), fc.nat(), (v, entries, size, from, n) => {
        const tree = StateTree.from(entries, v);
        const honest = tree.chunk(from, size);
        assert.equal(chunkFault(tree.root, from, honest, v), undefined);
        const chunk = lie(honest, n % Math.max(honest.entries.length, 1), n);
        if (chunk === undefined) return;
        if (chunkFault(tree.root, from, chunk, v) === undefined) {
          // Another chunk of the same state may be a true one; then every word of it is so.
          assert.deepEqual(chunk.entries, truth(tree, from, chunk));
        } else {
          told++;
        }
      }),
      { numRuns: 400 },
    );
    assert.ok(told > 30, `only ${told} lies were told`);
  });
}

test('a chunk of another state, or of another place, is refused', () => {
  fc.assert(
    fc.property(state, limits, key, key, (entries, size, from, elsewhere) => {
      const tree = StateTree.from(entries);
      const chunk = tree.chunk(from, size);
      assert.notEqual(chunkFault(blake2_256(tree.root), from, chunk), undefined);
      if (chunkFault(tree.root, elsewhere, chunk) === undefined) {
        assert.deepEqual(chunk.entries, truth(tree, elsewhere, chunk));
      }
    }),
    { numRuns: 300 },
  );
});

test('the empty state is told as one complete chunk without entries', () => {
  const tree = StateTree.empty();
  const chunk = sent(tree.chunk(undefined));
  assert.deepEqual(chunk, { entries: [], complete: true, proof: [Uint8Array.of(0)] });
  assert.equal(chunkFault(tree.root, undefined, chunk), undefined);
  assert.equal(chunkFault(tree.root, undefined, { ...chunk, complete: false }), 'Empty');
});

test('bytes that are no chunk are refused before anything is held for them', () => {
  const refuses = (bytes: Bytes): void => assert.throws(() => StateChunk.dec(bytes), CodecError);
  const compact = (n: number): Bytes => Uint8Array.from([2, 0, 0, 0].map((b, i) => b + (((n * 4) >>> (8 * i)) % 256)));
  refuses(compact(MAX_CHUNK_ENTRIES + 1));
  // One key that is too long; one that claims to share more than there is; one that hides what it shares.
  refuses(concat(Uint8Array.of(4, 0), compact(MAX_KEY_BYTES + 1), new Uint8Array(MAX_KEY_BYTES + 8)));
  refuses(Uint8Array.of(4, 4, 4, 7, 0, 1, 0));
  const hides = concat(
    Uint8Array.of(8),
    Uint8Array.of(0, 8, 1, 2, 0),
    Uint8Array.of(0, 8, 1, 3, 0),
    Uint8Array.of(1, 0),
  );
  const shares = concat(Uint8Array.of(8), Uint8Array.of(0, 8, 1, 2, 0), Uint8Array.of(4, 4, 3, 0), Uint8Array.of(1, 0));
  refuses(hides);
  assert.equal(toHex(StateChunk.enc(StateChunk.dec(shares))), toHex(shares));
});

test('keys nested as deep as they may be are judged, not a way to exhaust the stack', () => {
  const entries = Array.from({ length: MAX_KEY_BYTES + 1 }, (_, i): [Bytes, Bytes] => [
    new Uint8Array(i),
    new Uint8Array(1),
  ]);
  const tree = StateTree.from(entries);
  assert.equal(chunkFault(tree.root, undefined, tree.chunk(undefined)), undefined);
  const flat = StateTree.from([[Uint8Array.of(9), Uint8Array.of(9)]]);
  assert.equal(chunkFault(flat.root, undefined, { ...flat.chunk(undefined), entries }), 'NotInState');
});
