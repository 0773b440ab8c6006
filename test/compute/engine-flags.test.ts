import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { ENGINE_FLAGS } from '../../src/node/children.ts';

// The compiler of miners and checkers is another than that of this process, and it has been wrong before.
for (const file of ['kernels/bit-equality', 'kernels/engine-vectors', 'pouw/kernels', 'pouw/tree-hasher']) {
  test(`${file} holds under the flags of processes with an engine`, () => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const program = join(import.meta.dirname, `${file}.test.ts`);
    const child = spawnSync(process.execPath, [...ENGINE_FLAGS, program], { env, encoding: 'utf8', timeout: 300_000 });
    assert.equal(child.status, 0, child.stdout.slice(-2_000));
  });
}
