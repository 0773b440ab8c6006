import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadKernels } from '../../src/compute/engine/kernels-file.ts';
import { KernelsUnfit, proveKernels } from '../../src/compute/plan/self-test.ts';

test('the committed kernels prove themselves', () => {
  proveKernels(loadKernels());
});

test('kernels with one wrong value in one operator are refused', () => {
  for (const name of ['igemm', 'layerNorm', 'attention', 'adamw', 'columnSum'] as const) {
    const kernels = loadKernels();
    const right = kernels[name] as (...args: number[]) => void;
    const wrong = (...args: number[]): void => {
      right(...args);
      const word = (args[0] as number) / 4;
      kernels.u32[word] = (kernels.u32[word] as number) ^ 0x40_0000;
    };
    assert.throws(() => proveKernels(Object.assign(kernels, { [name]: wrong })), KernelsUnfit, name);
  }
});
