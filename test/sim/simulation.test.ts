/** # Simulation: whole networks from one seed, whatever goes wrong; the same seed does the same again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { must } from '../../src/base/assert.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { NO_BOOST } from '../../src/runtime/boost.ts';
import { LEAST_NODES, type Plan, planOf, SCHEDULES, STAKE_SCHEDULES, toleratedNodes } from '../../src/sim/plan.ts';
import { type Outcome, Simulation, simulate } from '../../src/sim/simulation.ts';
import { VIOLATIONS } from '../../src/sim/watch.ts';
import { WorkWorld } from '../../src/sim/work-world.ts';

await installFastPaths();

/** Four nodes for a minute of faults and two of healing. */
const SHORT = { nodes: 4, minutes: 3 };

function assertWell({ plan, found, trace }: Outcome): void {
  const name = `npm run sim -- --chain ${plan.chain} --seed ${plan.seed} --schedule ${plan.schedule} --nodes ${plan.nodes} --minutes ${SHORT.minutes}`;
  assert.equal(
    found,
    undefined,
    found && `${name}: ${VIOLATIONS[found.violation]}: ${found.detail}\n${trace.join('\n')}`,
  );
}

for (const [index, schedule] of SCHEDULES.entries()) {
  test(`${schedule}: nothing that must not happen does, and in the end there is one head and it is soon final`, () => {
    const outcome = simulate(planOf({ ...SHORT, seed: 100 + index, schedule }));
    assertWell(outcome);
    assert.ok(outcome.head >= 8, `${outcome.head} blocks in three minutes`);
    assert.ok(outcome.finalized >= 5, `${outcome.finalized} of them final`);
    if (schedule === 'churn') assert.ok(outcome.crashes >= 3, `${outcome.crashes} crashes`);
  });
}

/** Six nodes of a chain of stake; the seeds of two that break the rules are such that their vices are these. */
const STAKED = [
  { schedule: 'calm', seed: 7, offends: 'nobody' },
  { schedule: 'byzantine', seed: 8, offends: 'twice' },
  { schedule: 'byzantine', seed: 3, offends: 'equivocate' },
  { schedule: 'mixed', seed: 3, offends: undefined },
] as const;

for (const { schedule, seed, offends } of STAKED) {
  test(`a chain of stake, ${schedule}, ${offends ?? 'somebody'} breaks the rules: it elects, pays and slashes`, () => {
    const plan = planOf({ chain: 'stake', nodes: 6, minutes: 3, seed, schedule });
    const outcome = simulate(plan);
    assertWell(outcome);
    const { eras, elections, slashes, certificates } = outcome.economy;
    assert.ok(outcome.finalized >= 10, `${outcome.finalized} blocks final`);
    assert.ok(eras >= 2 && elections >= 1, `${eras} eras, ${elections} elections`);
    if (offends === 'nobody') assert.ok(certificates > 0, 'work was done and accepted');
    if (offends === undefined) return;
    assert.equal(
      plan.faults.some((fault) => fault.kind === 'vice' && fault.vice === offends),
      offends !== 'nobody',
    );
    assert.equal(slashes > 0, offends !== 'nobody', `${slashes} slashes`);
  });
}

test('twenty seeds do the same twice, and no two of them the same', () => {
  const hashes = new Set<string>();
  for (let seed = 1; seed <= 20; seed++) {
    const chain = seed % 4 === 3 ? 'stake' : 'work';
    const nodes = LEAST_NODES[chain];
    const schedules = chain === 'stake' ? STAKE_SCHEDULES : SCHEDULES;
    const schedule = schedules[seed % schedules.length] ?? 'mixed';
    // The first half minute of its faults.
    const plan = { ...planOf({ ...SHORT, nodes, chain, seed, schedule }), lengthMs: 30_000, healsAt: 30_000 };
    const [once, again] = [simulate(plan), simulate(plan)];
    assert.equal(again.hash, once.hash, `seed ${seed}`);
    assert.deepEqual(again.trace, once.trace);
    hashes.add(once.hash);
  }
  assert.equal(hashes.size, 20);
});

test('more than a third of traitors break finality, and their own votes name enough of them', () => {
  const nodes = 7;
  const outcome = simulate(planOf({ seed: 3, schedule: 'traitors', nodes, minutes: 3 }));
  assertWell(outcome);
  assert.ok(outcome.broken);
  assert.ok(outcome.convicted > toleratedNodes(nodes), `${outcome.convicted} of ${nodes}`);
});

test('stake adds to work as on any chain: who has most of it has all of the boost, who has none has none', () => {
  const world = new WorkWorld(5);
  const simulation = new Simulation(planOf({ seed: 1, schedule: 'calm', nodes: 5, minutes: 3 }), world);
  assertWell(simulation.run());
  const { store } = must(simulation.nodes[0], 'a node').machines;
  const view = must(store.view(store.best.hash), 'the best block has its state');
  const boosts = world.members.map(({ account }) => world.boostOf(view, account));
  assert.equal(boosts[0], 1_250_000);
  assert.equal(boosts[1], NO_BOOST);
  assert.ok((boosts[3] ?? 0) > NO_BOOST, `${boosts}`);
});

/** Found by `npm run sim`, with the faults that it took. */
const FAILED: Readonly<Record<string, Plan>> = {
  'beside a silent voter a backup is put back, and its owner could not repeat the votes that the round needs': {
    chain: 'work',
    seed: 205,
    schedule: 'churn',
    nodes: 5,
    lengthMs: 240_000,
    healsAt: 100_000,
    faults: [
      { kind: 'oldDisk', from: 84_193, until: 90_133, node: 2, downMs: 2_146 },
      { kind: 'vice', node: 1, vice: 'silent' },
    ],
  },
  'second votes of the round before were kept from one voter, whose estimate kept him from going on': {
    chain: 'work',
    seed: 6_659,
    schedule: 'partition',
    nodes: 4,
    lengthMs: 300_000,
    healsAt: 180_000,
    faults: [
      { kind: 'partition', from: 31_133, until: 134_024, side: [2] },
      { kind: 'partition', from: 2_444, until: 134_110, side: [1] },
      { kind: 'partition', from: 3_463, until: 150_531, side: [0, 2] },
      { kind: 'vice', node: 2, vice: 'equivocate' },
    ],
  },
  'a backup is put back where the power cut took the only other copy of the block that its owner had voted for': {
    chain: 'work',
    seed: 9_577,
    schedule: 'mixed',
    nodes: 5,
    lengthMs: 300_000,
    healsAt: 180_000,
    faults: [
      { kind: 'partition', from: 7_283, until: 138_919, side: [1, 0] },
      { kind: 'crash', at: 19_581, node: 1, downMs: 17_513 },
      { kind: 'crash', at: 72_367, node: 0, downMs: 26_165 },
      { kind: 'oldDisk', from: 47_303, until: 85_837, node: 1, downMs: 1_272 },
      { kind: 'vice', node: 4, vice: 'silent' },
    ],
  },
  'who is behind finds evidence that his own state cannot take yet': planOf({
    seed: 2_632,
    chain: 'stake',
    schedule: 'mixed',
    nodes: 7,
    minutes: 5,
  }),
};

for (const [what, plan] of Object.entries(FAILED)) {
  test(`what failed once fails no more: ${what}`, () => {
    assertWell(simulate(plan));
  });
}
