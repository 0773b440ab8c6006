/** # Doppelganger: of two nodes with one key only the one that was there first votes, however the other came to it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Listening } from '../../../src/consensus/finality/listening.ts';
import { ManyGadgets, SESSION } from './many-gadgets.ts';
import { T, type Weather } from './under-weather.ts';

const FOUR = ['alice', 'bob', 'charlie', 'dave'];
const CALM: Weather = { loss: 0, delayMs: T / 2, crashes: 0 };
/** A vote takes as long as T says at the most, and one in ten is lost. */
const ROUGH: Weather = { loss: 10, delayMs: T, crashes: 0 };
const LISTEN = 8 * T;

const finalOf = (world: ManyGadgets, name: string) => world.member(name).memory.finalized.number;

// A run fails where anybody says two things in one place, and where anybody could prove it.
for (const [how, backupAt] of [
  ['an empty disk', undefined],
  ['an old copy of the disk', 30],
  ['a copy of the disk as it is', 60],
] as const) {
  test(`a second node with ${how} hears the first and says nothing, set after set, and is told why once in each`, () => {
    for (const seed of [1, 2, 3]) {
      const world = new ManyGadgets(seed, [FOUR], ROUGH);
      world.run((backupAt ?? 60) * T);
      const disk = backupAt === undefined ? undefined : world.backup('dave');
      world.run((60 - (backupAt ?? 60)) * T);
      const first = world.member('dave');
      const [before, final] = [first.votes, finalOf(world, 'dave')];
      const twin = world.twin('dave', disk);
      world.run(2 * SESSION * 3 * T);
      assert.equal(twin.votes, 0, `seed ${seed}`);
      assert.ok(twin.doubles.includes('twin'), `seed ${seed}: ${twin.doubles}`);
      assert.ok(twin.doubles.length <= 2 * 4, 'at most two warnings in a set');
      assert.ok(first.votes > before + 10 && first.doubles.length === 0, 'the first goes on');
      assert.ok(finalOf(world, 'dave') > final + SESSION && twin.memory.finalized.number > final + SESSION);
    }
  });
}

test('when the first has stopped the second votes, though its disk is empty and its watermark lost', () => {
  for (const seed of [1, 2, 3]) {
    const world = new ManyGadgets(seed, [FOUR], CALM);
    world.run(60 * T);
    world.stop('dave');
    const twin = world.twin('dave');
    world.run(2 * LISTEN + 12 * T);
    assert.ok(twin.votes > 0);
    world.stop('alice');
    const before = finalOf(world, 'bob');
    world.run(20 * T);
    assert.ok(finalOf(world, 'bob') > before + 3, 'three of four need it');
  }
});

test('validators who all start again at once finalize after two rounds of listening, four at the most', () => {
  const waits = [1, 2, 3, 4, 5].map((seed) => {
    const world = new ManyGadgets(seed, [FOUR], CALM);
    world.run(50 * T);
    // What is in the air when they stop may still finalize a block or two below the best.
    const built = Math.max(...world.chain.all().map(({ number }) => number));
    for (const name of FOUR) world.restart(name);
    const start = world.now;
    while (Math.max(...FOUR.map((name) => finalOf(world, name))) <= built) {
      assert.ok(world.now < start + 2 * LISTEN + 8 * T, `seed ${seed}: nothing is final since`);
      world.run(T / 4);
    }
    return world.now - start;
  });
  assert.ok(Math.min(...waits) >= LISTEN, `${waits}: they did listen`);
});

test('one that hears another vote with its key after it has voted is silent at once; an earlier life is not another', () => {
  const old = new Listening(0, T, false);
  assert.equal(old.heardForeign(1, 5n), 'earlier');
  assert.deepEqual(
    [6n, 7n].map((round) => old.heardForeign(2, round)),
    [undefined, undefined],
  );
  assert.equal(old.maySpeak(LISTEN + 1, 9n), false);
  assert.equal(old.maySpeak(LISTEN + 2, 9n), true);
  assert.equal(old.maySpeak(LISTEN + 2, 7n), false);
  old.spoke();
  assert.equal(old.heardForeign(LISTEN + 3, 9n), 'twin');
  assert.equal(old.heardForeign(LISTEN + 4, 10n), undefined, 'said once');
  assert.equal(old.maySpeak(1_000 * T, 1_000n), false);
  const alive = new Listening(0, T, false);
  alive.heardForeign(1, 5n);
  assert.equal(alive.heardForeign(2, 8n), 'twin', 'an earlier life was not that far ahead');
});

test('listening begins anew with the first vote of others, once, and ends whatever is heard', () => {
  const voter = new Listening(0, T, false);
  for (let now = 5 * T; now < 40 * T; now += T) voter.heardOther(now);
  assert.equal(voter.until, 5 * T + LISTEN);
  // A vote of ours that comes back is a copy of this disk perhaps, or anybody who repeats it.
  for (let now = 6 * T; now < 40 * T; now += T) voter.heardEcho(now);
  assert.equal(voter.until, 2 * LISTEN);
  const late = new Listening(0, T, false);
  late.heardOther(LISTEN - 1);
  assert.equal(late.until, 2 * LISTEN - 1);
  assert.equal(new Listening(3, T, true).maySpeak(3, 1n), true, 'who has voted has listened');
});
