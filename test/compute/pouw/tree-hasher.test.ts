import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RESERVED_BYTES } from '../../../src/compute/canonical/kernels.ts';
import { loadKernels } from '../../../src/compute/engine/kernels-file.ts';
import { plainTreeRoot } from '../../../src/compute/merkle.ts';
import { TreeHasher } from '../../../src/compute/pouw/tree-hasher.ts';

const kernels = loadKernels();
const AT = RESERVED_BYTES;

test('the root by the kernels is the plain one, of bytes in their memory and of bytes elsewhere', () => {
  const lengths = fc.oneof(
    fc.constantFrom(1, 4_095, 4_096, 4_097, 32 * 4_096, 33 * 4_096 + 7, 64 * 4_096),
    fc.integer({ min: 1, max: 300_000 }),
  );
  fc.assert(
    fc.property(lengths, fc.integer(), fc.integer({ min: 0, max: 60 }), (length, seed, offset) => {
      const at = AT + offset;
      const scratch = Math.ceil((at + length) / 64) * 64;
      kernels.grow(scratch + 1);
      for (let i = 0; i < length; i++) kernels.u8[at + i] = Math.imul(seed + i, 0x9e3779b1) >>> 24;
      const bytes = kernels.u8.slice(at, at + length);
      // What an earlier use left in the scratch must not matter.
      kernels.u8.fill(0xa5, scratch);
      const hasher = new TreeHasher(kernels, scratch);
      assert.deepEqual(hasher.rootAt(at, length), plainTreeRoot(bytes));
      assert.deepEqual(hasher.root(bytes), plainTreeRoot(bytes));
    }),
    { numRuns: 60 },
  );
});
