/** # The simulator's own parts keep what they promise: disk, dice, clock, network. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Clock } from '../../src/sim/clock.ts';
import { Dice } from '../../src/sim/dice.ts';
import { Disk, DiskStore } from '../../src/sim/disk.ts';
import { Network } from '../../src/sim/network.ts';
import { WorkWorld } from '../../src/sim/work-world.ts';

const name = (index: number) => `record ${index}`;

/** A disk with five batches, of which two are synced. */
function written() {
  const disk = new Disk(new WorkWorld(4).genesis);
  const store = DiskStore.open(disk);
  for (let i = 0; i < 5; i++) {
    store.putAux(name(i), Uint8Array.of(i));
    store.write();
    if (i === 1) disk.sync(disk.atRisk);
  }
  return { disk, store };
}

test('a crash keeps what was synced, and of the rest the oldest batches, whole', () => {
  for (let kept = 0; kept <= 3; kept++) {
    const { disk, store } = written();
    assert.deepEqual(store.aux(name(4)), Uint8Array.of(4), 'who is running sees all of it');
    disk.crash(kept);
    const after = DiskStore.open(disk);
    for (let i = 0; i < 5; i++) assert.equal(after.aux(name(i)) !== undefined, i < 2 + kept, `${i} of ${kept}`);
    assert.equal(disk.atRisk, 0);
  }
});

test('what is due first happens first, and of equals what was asked for first', () => {
  const clock = new Clock(0);
  const dice = new Dice(1, 'times');
  const times = Array.from({ length: 500 }, () => dice.below(50));
  const seen: { at: number; order: number }[] = [];
  for (const [order, at] of times.entries()) clock.at(at, () => seen.push({ at: clock.now, order }));
  while (clock.step(100));
  const sorted = times.map((at, order) => ({ at, order })).sort((a, b) => a.at - b.at || a.order - b.order);
  assert.deepEqual(seen, sorted);
  assert.equal(clock.now, 100);
});

test('a stream of dice depends on its seed and name alone, and falls evenly', () => {
  const draws = (seed: number, stream: string) => {
    const dice = new Dice(seed, stream);
    return Array.from({ length: 6_000 }, () => dice.below(6));
  };
  assert.deepEqual(draws(7, 'a'), draws(7, 'a'));
  assert.notDeepEqual(draws(7, 'a'), draws(7, 'b'));
  assert.notDeepEqual(draws(7, 'a'), draws(7 + 2 ** 32, 'a'));
  const counts = [0, 0, 0, 0, 0, 0];
  for (const draw of draws(7, 'a')) counts[draw] = (counts[draw] as number) + 1;
  assert.ok(
    counts.every((count) => count > 850 && count < 1_150),
    `${counts}`,
  );
});

test('in fair weather each message comes once; a cut loses it, a clog keeps it until it opens', () => {
  const clock = new Clock(0);
  const net = new Network(clock, [new Dice(1, 'a'), new Dice(1, 'b')]);
  const came: string[] = [];
  const run = (until: number) => {
    while (clock.step(until));
  };
  const parts = (a: number, b: number) => a !== b;
  for (let i = 0; i < 100; i++) net.send(0, 1, () => came.push('fair'));
  run(1_000);
  net.cut(parts);
  net.send(0, 1, () => came.push('cut'));
  run(2_000);
  net.join(parts);
  net.clog(1);
  net.send(0, 1, () => came.push('clogged'));
  run(3_000);
  assert.deepEqual(new Set(came), new Set(['fair']));
  assert.equal(came.length, 100);
  net.unclog(1);
  run(4_000);
  assert.deepEqual(came.slice(100), ['clogged']);
});

test('weather loses and replays as many as it says', () => {
  const clock = new Clock(0);
  const net = new Network(clock, [new Dice(2, 'a'), new Dice(2, 'b')]);
  const storm = { loss: 300, replay: 500 };
  net.begin(storm);
  let came = 0;
  for (let i = 0; i < 4_000; i++) net.send(0, 1, () => came++);
  while (clock.step(100_000));
  const expected = 4_000 * (7 / 10) * (3 / 2);
  assert.ok(Math.abs(came - expected) < expected / 20, `${came} of ${expected}`);
  net.end(storm);
  for (let i = 0; i < 100; i++) net.send(0, 1, () => came++);
  const before = came;
  while (clock.step(200_000));
  assert.equal(came - before, 100);
});
