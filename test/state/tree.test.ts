/** # A tree that changes step by step is the tree built from nothing; what it proves is so, and nothing else is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Bytes, compare, concat, equal, startsWith, toHex, utf8 } from '../../src/base/bytes.ts';
import { finish } from '../../src/base/work.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import { bytesOf, keyOf } from '../../src/state/key.ts';
import { StateTree } from '../../src/state/tree.ts';
import { verifyProof } from '../../src/state/trie/proof.ts';

/** Keys that often share nibbles, or are prefixes of each other. */
const key = fc.oneof(
  fc.array(fc.constantFrom(0x00, 0x01, 0x10, 0x11, 0xff), { maxLength: 5 }).map((a) => Uint8Array.from(a)),
  fc.uint8Array({ maxLength: 40 }),
);
/** Lengths around 32, where state version 1 begins to hash. */
const value = fc.oneof(fc.uint8Array({ maxLength: 4 }), fc.uint8Array({ minLength: 30, maxLength: 34 }));
const change = fc.tuple(key, fc.option(value, { nil: null }));
const version = fc.constantFrom<0 | 1>(0, 1);
type Model = Map<string, Bytes>;

function entriesOf(model: Model): [Bytes, Bytes][] {
  return [...model].map(([k, v]): [Bytes, Bytes] => [bytesOf(k), v]).sort(([a], [b]) => compare(a, b));
}

/** The definition of the trie in the slowest possible form: nibble arrays, no sharing, no cached anything. */
function naiveRoot(model: Model, v: 0 | 1): Bytes {
  const pairs = entriesOf(model).map(([k, x]) => ({ path: [...k].flatMap((b) => [b >> 4, b & 15]), value: x }));
  return blake2_256(pairs.length === 0 ? Uint8Array.of(0) : naiveNode(pairs, 0, v));
}

function naiveNode(pairs: { path: number[]; value: Bytes }[], start: number, v: 0 | 1): Bytes {
  const first = pairs[0]?.path ?? [];
  let depth = start;
  while (pairs.every(({ path }) => depth < path.length && path[depth] === first[depth])) depth++;
  const here = pairs.find(({ path }) => path.length === depth)?.value;
  const below = pairs.filter(({ path }) => path.length > depth);
  const hashed = here !== undefined && v === 1 && here.length > 32;
  const [bits, room] = below.length === 0 ? (hashed ? [0x20, 31] : [0x40, 63]) : naiveBranch(here, hashed);
  const partial = first.slice(start, depth);
  const header = [bits | Math.min(partial.length, room)];
  for (let rest = partial.length - room; rest >= 0; rest -= 255) header.push(Math.min(rest, 255));
  const even = partial.length % 2 === 0 ? partial : [0, ...partial];
  const packed = even.flatMap((n, i) => (i % 2 === 0 ? [(n << 4) | (even[i + 1] ?? 0)] : []));
  const parts: Bytes[] = [Uint8Array.from(header), Uint8Array.from(packed)];
  const kids = Array.from({ length: 16 }, (_, n) => below.filter(({ path }) => path[depth] === n));
  if (below.length > 0) {
    const bitmap = kids.reduce((sum, kid, n) => sum | (kid.length > 0 ? 1 << n : 0), 0);
    parts.push(Uint8Array.of(bitmap & 255, bitmap >> 8));
  }
  if (here !== undefined) parts.push(hashed ? blake2_256(here) : concat(Uint8Array.of(here.length << 2), here));
  for (const kid of kids.filter((k) => k.length > 0)) {
    const encoded = naiveNode(kid, depth + 1, v);
    const embedded = encoded.length < 32 ? encoded : blake2_256(encoded);
    parts.push(Uint8Array.of(embedded.length << 2), embedded);
  }
  return concat(...parts);
}

function naiveBranch(here: Bytes | undefined, hashed: boolean): [number, number] {
  return here === undefined ? [0x80, 63] : hashed ? [0x10, 15] : [0xc0, 63];
}

test('whatever the order and grouping of changes, the tree is the one built from nothing', () => {
  fc.assert(
    fc.property(version, fc.array(fc.array(change, { maxLength: 12 }), { maxLength: 8 }), (v, batches) => {
      const model: Model = new Map();
      let tree = StateTree.empty(v);
      for (const batch of batches) {
        const before = tree;
        const rootBefore = toHex(before.root);
        const changes = new Map(batch.map(([k, x]): [string, Bytes | null] => [keyOf(k), x]));
        tree = tree.with(changes);
        for (const [k, x] of changes) {
          if (x === null) model.delete(k);
          else model.set(k, x);
        }
        assert.equal(toHex(tree.root), toHex(naiveRoot(model, v)));
        assert.equal(toHex(tree.root), toHex(StateTree.from(entriesOf(model), v).root));
        assert.equal(toHex(before.root), rootBefore);
      }
      assert.deepEqual([...tree.entries()], entriesOf(model));
      for (const [k, x] of entriesOf(model)) assert.ok(equal(tree.get(k) ?? utf8('absent'), x));
    }),
    { numRuns: 300 },
  );
});

test('changed in pieces, the tree is the one changed at once, and the one it came from stays', () => {
  const short = fc.uint8Array({ minLength: 1, maxLength: 3 });
  const pairs = fc.array(fc.tuple(short, fc.option(fc.uint8Array({ maxLength: 40 }))), { size: '+2', maxLength: 400 });
  fc.assert(
    fc.property(version, pairs, pairs, (v, first, second) => {
      const sets = [first, second].map((list) => new Map(list.map(([k, x]): [string, Bytes | null] => [keyOf(k), x])));
      let [atOnce, inPieces] = [StateTree.empty(v), StateTree.empty(v)];
      for (const changes of sets) {
        const before = inPieces;
        const root = toHex(before.root);
        const work = before.changing(changes);
        let pieces = 1;
        for (; !work.next().done; pieces++) assert.equal(toHex(before.root), root);
        assert.equal(pieces, Math.max(1, Math.ceil(changes.size / 64)));
        [atOnce, inPieces] = [atOnce.with(changes), finish(before.changing(changes))];
        assert.equal(toHex(inPieces.root), toHex(atOnce.root));
        if (inPieces !== before) assert.ok(inPieces.follows(before.root, changes));
      }
      assert.deepEqual([...inPieces.entries()], [...atOnce.entries()]);
    }),
    { numRuns: 60 },
  );
});

test('a change that changes nothing gives the same tree', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(key, value), { minLength: 1, maxLength: 20 }), (entries) => {
      const tree = StateTree.from(entries);
      assert.equal(tree.with(new Map([...tree.entries()].map(([k, v]) => [keyOf(k), v]))), tree);
      const absent = concat(...entries.map(([k]) => k), Uint8Array.of(7));
      assert.equal(tree.with(new Map([[keyOf(absent), null]])), tree);
    }),
  );
});

test('keys are listed in order, under a prefix, strictly after a bound, up to a limit', () => {
  const limit = fc.integer({ min: 0, max: 6 });
  const after = fc.option(key, { nil: undefined });
  fc.assert(
    fc.property(fc.array(key, { maxLength: 30 }), key, after, limit, (keys, prefix, bound, n) => {
      const tree = StateTree.from(keys.map((k): [Bytes, Bytes] => [k, utf8('v')]));
      const expected = [...tree.entries()]
        .map(([k]) => k)
        .filter((k) => startsWith(k, prefix) && (bound === undefined || compare(k, bound) > 0));
      assert.deepEqual(tree.keys(prefix, bound, n), expected.slice(0, n));
    }),
    { numRuns: 500 },
  );
});

test('a proof shows every value and every absence; a changed one shows nothing false', () => {
  const sample = fc.tuple(version, fc.array(fc.tuple(key, value), { maxLength: 20 }), fc.array(key, { maxLength: 4 }));
  fc.assert(
    fc.property(sample, fc.nat(), fc.integer({ min: 1, max: 255 }), ([v, entries, absent], where, flip) => {
      const tree = StateTree.from(entries, v);
      const asked = [...entries.map(([k]) => k), ...absent];
      const proof = tree.prove(asked);
      for (const k of asked) assert.deepEqual(verifyProof(tree.root, proof, k), { ok: true, value: tree.get(k) });
      const part = proof[where % Math.max(proof.length, 1)];
      if (part === undefined || part.length === 0) return;
      const damaged = part.slice();
      damaged[where % part.length] = (damaged[where % part.length] ?? 0) ^ flip;
      const others = proof.filter((p) => p !== part);
      for (const k of asked) {
        for (const tampered of [others, [...others, damaged]]) {
          const proven = verifyProof(tree.root, tampered, k);
          // The rest of the proof may still prove a key; it may never prove anything else than the truth.
          if (proven.ok) assert.deepEqual(proven.value, tree.get(k));
        }
      }
      const wrongRoot = blake2_256(tree.root);
      for (const k of asked) assert.equal(verifyProof(wrongRoot, proof, k).ok, false);
    }),
    { numRuns: 300 },
  );
});

test('bytes that are no trie node prove nothing and never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), key, (node, k) => {
      const proven = verifyProof(blake2_256(node), [node], k);
      assert.ok(proven.ok || proven.code !== undefined);
    }),
    { numRuns: 2000 },
  );
});

test('the closest descendant is the node that a proof would go through', () => {
  const tree = StateTree.from([
    [utf8('account/alice'), new Uint8Array(40)],
    [utf8('account/bob'), new Uint8Array(40)],
    [utf8('total'), utf8('5')],
  ]);
  assert.deepEqual(tree.merkleValue(utf8('')), tree.root);
  const node = tree.merkleValue(utf8('acc'));
  assert.ok(tree.prove([utf8('account/bob')]).some((part) => equal(blake2_256(part), node ?? utf8(''))));
  assert.deepEqual(tree.merkleValue(utf8('account')), node);
  assert.ok((tree.merkleValue(utf8('t'))?.length ?? 32) < 32);
  assert.equal(tree.merkleValue(utf8('nothing')), undefined);
});

test('bytes survive the way through key strings, and strings sort as bytes do', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), fc.uint8Array({ maxLength: 3 }), (a, b) => {
      assert.deepEqual(bytesOf(keyOf(a)), a);
      assert.equal(Math.sign(compare(a, b)), keyOf(a) < keyOf(b) ? -1 : keyOf(a) > keyOf(b) ? 1 : 0);
    }),
  );
});
