import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Kernels } from '../../../src/compute/canonical/kernels.ts';
import { referenceKernels } from '../../../src/compute/canonical/reference.ts';
import { instantiateKernels } from '../../../src/compute/canonical/wasm.ts';
import { planStep } from '../../../src/compute/plan/planner.ts';
import type { Published } from '../kernels/published-training.ts';
import { missing, trainingCase, wasmBytes } from '../kernels/sources.ts';
import { publishedGraph, trainPublished } from './published-graph.ts';

const published = trainingCase() as Published;

function reproduces(kernels: Kernels): void {
  const { S0, steps } = trainPublished(kernels, published);
  assert.equal(S0, published.S0);
  assert.deepEqual(
    steps,
    published.steps.map(({ loss, stateRoot }) => ({ loss, stateRoot })),
  );
}

describe('a char transformer compiled from its ONNX form reaches the published states S_1 and S_2', {
  skip: missing,
}, () => {
  test('on the WASM module', () => reproduces(instantiateKernels(wasmBytes(), 16)));
  test('in plain JavaScript', () => reproduces(referenceKernels(1 << 24)));

  test('with its mined nodes numbered forward, then in pairs from the loss back', () => {
    const { mined } = planStep(publishedGraph(published).step);
    const shapes = mined.map(({ m, n, k }) => `${m}x${n}x${k}`);
    const forward = ['256x768x256', '256x256x256', '256x1024x256', '256x256x1024', '256x256x256'];
    const backward = [
      ...['256x256x256', '256x256x256'],
      ...['256x1024x256', '1024x256x256'],
      ...['256x256x1024', '256x1024x256'],
      ...['256x256x256', '256x256x256'],
      ...['256x256x768', '256x768x256'],
    ];
    assert.deepEqual(shapes, [...forward, ...backward]);
    const drawn = mined.flatMap(({ index, rounding }) => (rounding === 'nearest' ? [] : [`${index} ${rounding}`]));
    assert.deepEqual(drawn, ['5 stochasticA', '6 stochasticB']);
  });
});
