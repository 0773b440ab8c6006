import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KernelsUnfit, RESERVED_BYTES } from '../../src/compute/canonical/kernels.ts';
import { loadKernels } from '../../src/compute/engine/kernels-file.ts';
import { proveKernels } from '../../src/compute/plan/self-test.ts';
import { proveMining } from '../../src/compute/pouw/self-test.ts';

test('the committed kernels prove themselves', () => {
  proveKernels(loadKernels());
  for (const profile of [0, 1, 2]) proveMining(loadKernels(), profile, RESERVED_BYTES);
});

test('kernels whose mined product has one wrong bit, or that hash one leaf otherwise, are refused', () => {
  for (const name of ['pouwMine', 'pouwHashes'] as const) {
    const kernels = loadKernels();
    const right = kernels.exports[name] as (...args: number[]) => void;
    const wrong = (...args: number[]): void => {
      right(...args);
      const at = args[0] as number;
      kernels.u8[at] = (kernels.u8[at] as number) ^ 1;
    };
    const flawed = Object.assign(kernels, { exports: { ...kernels.exports, [name]: wrong } });
    assert.throws(() => proveMining(flawed, 0, RESERVED_BYTES), KernelsUnfit, name);
  }
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
