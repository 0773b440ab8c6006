import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RESERVED_BYTES } from '../../../src/compute/canonical/kernels.ts';
import { stateRoot } from '../../../src/compute/canonical/state-root.ts';
import { loadKernels } from '../../../src/compute/engine/kernels-file.ts';
import { StateHasher } from '../../../src/compute/pouw/state-hasher.ts';
import { sha256 } from '../../../src/crypto/hash.ts';

const kernels = loadKernels();
const AT = RESERVED_BYTES;

test('the root of a state in the kernels’ memory is the root of its bytes, whoever hashes it', () => {
  const lengths = fc.oneof(
    fc.constantFrom(1, 4_095, 4_096, 4_097, 32 * 4_096, 33 * 4_096 + 7, 64 * 4_096),
    fc.integer({ min: 1, max: 300_000 }),
  );
  fc.assert(
    fc.property(lengths, fc.integer(), fc.integer({ min: 0, max: 60 }), (length, seed, offset) => {
      const at = AT + offset;
      const scratch = Math.ceil((at + length) / 64) * 64;
      kernels.grow(scratch);
      for (let i = 0; i < length; i++) kernels.u8[at + i] = Math.imul(seed + i, 0x9e3779b1) >>> 24;
      const expected = stateRoot([kernels.u8.slice(at, at + length)]);
      // What an earlier use left in the scratch must not matter.
      kernels.u8.fill(0xa5, scratch);
      assert.deepEqual(new StateHasher(kernels, scratch).root(at, length), expected);
      assert.deepEqual(new StateHasher(kernels, scratch, sha256).root(at, length), expected);
    }),
    { numRuns: 60 },
  );
});
