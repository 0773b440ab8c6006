/** # Turns: dear work keeps its order, and the event loop goes round between its slices. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns } from '../../src/rpc/turns.ts';

function busy(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

test('a long line is worked off in order, and others get the thread after every slice', async () => {
  const turns = new Turns();
  const order: number[] = [];
  let [rounds, isOver] = [0, false];
  const count = (): void => {
    rounds++;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  const work = Array.from({ length: 3_000 }, (_, i) => turns.run(() => order.push(i) && busy(0.05)));
  await Promise.all(work);
  isOver = true;
  assert.deepEqual(
    order,
    order.map((_, i) => i),
  );
  // 150 ms of work in slices of 3 ms: about 50 rounds, fewer when the machine is busy with other things.
  assert.ok(rounds > 5, `${rounds} rounds`);
});

test('what fails fails for its caller alone, and the line goes on', async () => {
  const turns = new Turns();
  const failed = turns.run(() => {
    throw new RangeError('no');
  });
  const done = turns.run(() => 7);
  await assert.rejects(failed, RangeError);
  assert.equal(await done, 7);
  assert.equal(await turns.run(() => 8), 8);
});
