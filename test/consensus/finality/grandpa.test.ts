/** # Gadgets over several authority sets: what is final stays, sets follow one another, and nobody votes twice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManyGadgets, SESSION } from './many-gadgets.ts';
import { T, type Weather } from './under-weather.ts';

const FOUR = ['alice', 'bob', 'charlie', 'dave'];
const CALM: Weather = { loss: 0, delayMs: T / 2, crashes: 0 };
const STORM: Weather = { loss: 30, delayMs: 2 * T, crashes: 2 };
/** Headers of these tests begin at 10. */
const SETS = [FOUR, ['bob', 'charlie', 'dave', 'eve'], ['alice', 'eve', 'ferdie', 'bob', 'dave'], FOUR];

const minFinal = (world: ManyGadgets) => Math.min(...present(world).map(({ memory }) => memory.finalized.number));
const present = ({ members, away }: ManyGadgets) => members.filter(({ name }) => !away.has(name));
const setIds = (world: ManyGadgets) => world.members.map(({ gadget }) => gadget?.state()?.setId);

test('four voters finalize within a few blocks, and every node knows of it, voter or not', () => {
  const world = new ManyGadgets(1, [FOUR], CALM);
  world.run(60 * T);
  const heights = world.members.map(({ memory }) => memory.finalized.number);
  const best = Math.max(...world.chain.all().map(({ number }) => number));
  assert.ok(best - Math.min(...heights) <= 4, `${heights} of ${best}`);
});

for (const delay of [0, 3]) {
  test(`sets follow one another where their changes take effect, ${delay} blocks after they are scheduled`, () => {
    const world = new ManyGadgets(2, SETS, CALM, delay);
    world.run(4 * SESSION * 3 * T + 60 * T);
    assert.ok(minFinal(world) > 4 * SESSION + delay);
    assert.ok(setIds(world).every((id) => id !== undefined && id >= 4n));
    assert.deepEqual([...world.ends.keys()].slice(0, 4), [0n, 1n, 2n, 3n]);
    assert.deepEqual(world.reports, []);
  });
}

test('under loss, delay and crashes between any two effects nothing conflicts, and it goes on when the sky clears', () => {
  let crashed = 0;
  for (let seed = 1; seed <= 3; seed++) {
    const world = new ManyGadgets(seed, SETS, STORM, seed % 2);
    world.run(150 * T);
    world.weather = CALM;
    const built = Math.max(...world.chain.all().map(({ number }) => number));
    world.run(120 * T);
    crashed += world.crashed;
    assert.ok(minFinal(world) >= built, `seed ${seed}: ${minFinal(world)} of ${built}`);
    assert.deepEqual(world.reports, []);
  }
  assert.ok(crashed > 10);
});

test('who was away while two sets ended learns each end from its proof, and votes again', () => {
  const world = new ManyGadgets(3, [FOUR], CALM);
  world.run(9 * T);
  world.away.add('dave');
  world.run(3 * SESSION * 3 * T);
  assert.deepEqual(setIds(world), [3n, 3n, 3n, 1n]);
  world.away.delete('dave');
  world.run(20 * T);
  const [first, ...others] = setIds(world);
  assert.ok(first !== undefined && first >= 3n && others.every((id) => id === first));
  assert.deepEqual(world.reports, []);
  world.away.add('alice');
  const before = minFinal(world);
  world.run(20 * T);
  assert.ok(world.member('dave').memory.finalized.number > before + 3, 'three of four need him');
});

test('with half of them away nothing is final, and all of it is soon after they are back', () => {
  const world = new ManyGadgets(4, [FOUR], CALM);
  world.run(9 * T);
  for (const name of ['charlie', 'dave']) world.away.add(name);
  const before = minFinal(world);
  world.run(100 * T);
  const stalled = world.members.map(({ memory }) => memory.finalized.number);
  assert.ok(Math.max(...stalled) <= before + 2);
  world.away.clear();
  const built = Math.max(...world.chain.all().map(({ number }) => number));
  world.run(60 * T);
  assert.ok(minFinal(world) >= built, `${minFinal(world)} of ${built}`);
});

test('a voter whose disk is older than its watermark repeats no stage, and votes again once others are past it', () => {
  for (const seed of [5, 6]) {
    const world = new ManyGadgets(seed, [FOUR], CALM);
    world.run(20 * T);
    const old = world.backup('dave');
    world.run(7 * T);
    world.restart('dave', old);
    // Another best block than he voted for then: without the mark the run would see him vote twice.
    world.run(30 * T);
    world.away.add('alice');
    const before = minFinal(world);
    world.run(20 * T);
    assert.ok(world.member('dave').memory.finalized.number > before + 3);
  }
});

test('who comes back with an older disk does not hold up a round that cannot do without his votes', () => {
  for (let seed = 10; seed < 20; seed++) {
    const world = new ManyGadgets(seed, [FOUR], CALM);
    world.run(20 * T);
    world.away.add('alice');
    world.run(9 * T);
    const old = world.backup('dave');
    // Somewhere in a round: after his prevote, or after his precommit.
    world.run((1 + seed - 10) * T);
    world.restart('dave', old);
    const before = minFinal(world);
    world.run(60 * T);
    assert.ok(minFinal(world) > before + 3, `seed ${seed}`);
  }
});

test('a set of nobody finalizes nothing, and asks nobody', () => {
  const world = new ManyGadgets(7, [FOUR, []], CALM);
  world.run(100 * T);
  assert.ok(world.members.every(({ memory, gadget }) => memory.finalized.number === SESSION && !gadget?.state()));
});
