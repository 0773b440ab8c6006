import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Kernels } from '../../../src/compute/canonical/kernels.ts';
import { referenceKernels } from '../../../src/compute/canonical/reference.ts';
import { instantiateKernels } from '../../../src/compute/canonical/wasm.ts';
import { differences } from './engine-vectors.ts';
import { missing, vectorCases, wasmBytes } from './sources.ts';

const executors: Record<string, () => Kernels> = {
  'plain JavaScript': () => referenceKernels(1 << 20),
  'the WASM module': () => instantiateKernels(wasmBytes(), 16),
};
const cases = vectorCases();

describe('every published engine vector comes out of', { skip: missing }, () => {
  for (const [name, make] of Object.entries(executors)) {
    test(`${name}, bit for bit`, () => {
      assert.equal(cases.length, 120);
      const kernels = make();
      cases.forEach((source, i) => {
        assert.deepEqual(differences(kernels, source, cases), [], `case ${i}, ${source.rule}`);
      });
    });
  }
});
