/** # Voters over rounds: they agree, say nothing twice, and go on when the weather clears. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Congress, type Plan, T } from './congress.ts';

const FAIR = { loss: 0, delayMs: T, crashes: 0 };
const STORM = { loss: 30, delayMs: 4 * T, crashes: 2 };

function lowest(congress: Congress): number {
  return Math.min(...congress.honest.map(({ finalized }) => finalized.number));
}

test('in fair weather four voters finalize within a few blocks of the head', () => {
  const congress = new Congress({ seed: 1, voters: 4, liar: false }, FAIR);
  congress.run(120 * T);
  const highest = Math.max(...congress.chain.all().map(({ number }) => number));
  assert.ok(lowest(congress) >= highest - 5, `${lowest(congress)} of ${highest}`);
  assert.equal(congress.evidence.length, 0);
});

function weathered(plan: Plan): Congress {
  const congress = new Congress(plan, STORM);
  congress.run(180 * T);
  congress.weather = FAIR;
  const before = Math.max(...congress.chain.all().map(({ number }) => number));
  congress.run(90 * T);
  assert.ok(lowest(congress) >= before, `seed ${plan.seed}: final up to ${lowest(congress)}, ${before} when it healed`);
  return congress;
}

for (const voters of [4, 7]) {
  test(`${voters} voters, one a liar, under loss, delay and crashes: no conflict, and progress after healing`, () => {
    let crashed = 0;
    let caught = 0;
    for (let seed = 1; seed <= 8; seed++) {
      const congress = weathered({ seed, voters, liar: true });
      crashed += congress.crashed;
      caught += congress.evidence.length;
      for (const { id } of congress.evidence)
        assert.deepEqual(id, congress.evidence[0]?.id, 'only the liar is accused');
    }
    assert.ok(crashed > 8 && caught > 8, `${crashed} crashes, ${caught} proofs of equivocation`);
  });
}

test('the same seed gives the same run', () => {
  const end = () => {
    const congress = weathered({ seed: 3, voters: 4, liar: true });
    return congress.nodes.map(({ finalized, voter }) => [congress.chain.name(finalized), voter?.round]);
  };
  assert.deepEqual(end(), end());
});
