import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { merkleLeaf, merkleNode, merklePath, merkleRoot, pathLength, verifyPath } from '../../src/compute/merkle.ts';

const leavesOf = (count: number) => Array.from({ length: count }, (_, i) => merkleLeaf(Uint8Array.of(i, i >> 8)));

test('a single leaf is its own root, and an odd node moves up unchanged', () => {
  const [a, b, c] = leavesOf(3) as [Uint8Array, Uint8Array, Uint8Array];
  assert.deepEqual(merkleRoot([a]), a);
  assert.deepEqual(merkleRoot([a, b, c]), merkleNode(merkleNode(a, b), c));
  assert.deepEqual(merklePath([a, b, c], 2), [merkleNode(a, b)]);
});

test('every leaf of every small tree has one path, and it leads to the root', () => {
  for (let count = 1; count <= 33; count++) {
    const leaves = leavesOf(count);
    const root = merkleRoot(leaves);
    leaves.forEach((leaf, index) => {
      const path = merklePath(leaves, index);
      assert.equal(path.length, pathLength(count, index));
      assert.ok(verifyPath({ leaf, index, count, path, root }));
    });
  }
});

test('a path with a foreign leaf, another index, another count or another length proves nothing', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 40 }), fc.nat(1000), (count, seed) => {
      const leaves = leavesOf(count);
      const root = merkleRoot(leaves);
      const index = seed % count;
      const leaf = leaves[index] as Uint8Array;
      const path = merklePath(leaves, index);
      assert.ok(!verifyPath({ leaf: merkleLeaf(Uint8Array.of(1, 2, 3)), index, count, path, root }));
      assert.ok(!verifyPath({ leaf, index: (index + 1) % count, count, path, root }));
      assert.ok(!verifyPath({ leaf, index: count, count, path, root }));
      assert.ok(!verifyPath({ leaf, index: -1, count, path, root }));
      assert.ok(!verifyPath({ leaf, index, count, path: [...path, leaf], root }));
      assert.ok(!verifyPath({ leaf, index, count, path: path.slice(1), root }));
    }),
    { numRuns: 60 },
  );
});
