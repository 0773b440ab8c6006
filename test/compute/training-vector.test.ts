import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Kernels } from '../../src/compute/canonical/kernels.ts';
import { referenceKernels } from '../../src/compute/canonical/reference.ts';
import { instantiateKernels } from '../../src/compute/canonical/wasm.ts';
import { ENGINE_FLAGS } from '../../src/node/children.ts';
import { type Published, train } from './kernels/published-training.ts';
import { missing, trainingCase, wasmBytes } from './kernels/sources.ts';

const published = trainingCase() as Published;
const program = join(import.meta.dirname, 'kernels', 'published-training.ts');

function reproduces(kernels: Kernels): void {
  const outcome = train(kernels, published);
  assert.equal(outcome.S0, published.S0);
  published.steps.forEach((step, i) => {
    const got = outcome.steps[i];
    // Tensor by tensor first: the first that differs names the operator at fault.
    for (const [name, digest] of Object.entries(step.tensors)) assert.equal(got?.tensors[name], digest, name);
    assert.equal(got?.loss, step.loss);
    assert.equal(got?.stateRoot, step.stateRoot);
  });
}

describe('the published two-step training: losses, roots and every tensor come out of', { skip: missing }, () => {
  test('the WASM module', () => reproduces(instantiateKernels(wasmBytes(), 16)));
  test('plain JavaScript', () => reproduces(referenceKernels(1 << 24)));
  // The engine may compile the module in any of these ways (the last joins vectors to 256 bits): no bit may differ.
  for (const compiler of [['--liftoff-only'], ['--no-liftoff'], ENGINE_FLAGS]) {
    test(`the WASM module under ${compiler.join(' ')}`, () => {
      const child = spawnSync(process.execPath, ['--no-warnings', ...compiler, program], {
        encoding: 'utf8',
        timeout: 300_000,
      });
      assert.equal(child.status, 0, child.stderr);
      assert.deepEqual(JSON.parse(child.stdout), [published.S0, ...published.steps.map((step) => step.stateRoot)]);
    });
  }
});
