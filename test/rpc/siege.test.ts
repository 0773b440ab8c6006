/** # Siege: a node under every attack at once serves an honest client; `npm run test:hostile` has the long form. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { siege } from './siege.ts';

/** ADVERSARY.md section 2. */
const HONEST_MS = 3_000;
const GROWTH_MIB = 300;

test('under every attack at once an honest client is served, blocks are made, memory stays, and nothing fails', {
  timeout: 180_000,
}, async () => {
  const { done, honest, blocks, memory, faults } = await siege({ seconds: 15, restSeconds: 0 });
  for (const [name, times] of done) assert.ok(times > 0, name);
  assert.ok(honest.answers > 20 && honest.worstMs < HONEST_MS, `${honest.answers} answers, worst ${honest.worstMs} ms`);
  assert.ok(blocks > 0, 'blocks were made');
  assert.ok(memory.peak - memory.before < GROWTH_MIB, `${memory.before} -> ${memory.peak} MiB`);
  assert.deepEqual(faults, []);
});
