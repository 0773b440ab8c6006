/** # Voters over rounds: they agree, say nothing twice, and go on when the weather clears. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManyVoters, type Plan } from './many-voters.ts';
import { T } from './under-weather.ts';

const FAIR = { loss: 0, delayMs: T, crashes: 0 };
const STORM = { loss: 30, delayMs: 4 * T, crashes: 2 };

function lowest(world: ManyVoters): number {
  return Math.min(...world.honest.map(({ finalized }) => finalized.number));
}

test('in fair weather four voters finalize within a few blocks of the head', () => {
  const world = new ManyVoters({ seed: 1, voters: 4, liar: false }, FAIR);
  world.run(120 * T);
  const highest = Math.max(...world.chain.all().map(({ number }) => number));
  assert.ok(lowest(world) >= highest - 5, `${lowest(world)} of ${highest}`);
  assert.equal(world.evidence.length, 0);
});

function weathered(plan: Plan): ManyVoters {
  const world = new ManyVoters(plan, STORM);
  world.run(180 * T);
  world.weather = FAIR;
  const before = Math.max(...world.chain.all().map(({ number }) => number));
  world.run(90 * T);
  assert.ok(lowest(world) >= before, `seed ${plan.seed}: final up to ${lowest(world)}, ${before} when it healed`);
  return world;
}

for (const voters of [4, 7]) {
  test(`${voters} voters, one a liar, under loss, delay and crashes: no conflict, and progress after healing`, () => {
    let crashed = 0;
    let caught = 0;
    for (let seed = 1; seed <= 8; seed++) {
      const world = weathered({ seed, voters, liar: true });
      crashed += world.crashed;
      caught += world.evidence.length;
      for (const { id } of world.evidence) assert.deepEqual(id, world.evidence[0]?.id, 'only the liar is accused');
    }
    assert.ok(crashed > 8 && caught > 8, `${crashed} crashes, ${caught} proofs of equivocation`);
  });
}

test('the same seed gives the same run', () => {
  const end = () => {
    const world = weathered({ seed: 3, voters: 4, liar: true });
    return world.nodes.map(({ finalized, voter }) => [world.chain.name(finalized), voter?.round]);
  };
  assert.deepEqual(end(), end());
});
