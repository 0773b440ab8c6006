/** # Planted bugs: the watch names them; the long form, `npm run sim -- --mutants`, tries all of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { must } from '../../src/base/assert.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { LEAST_NODES, type Plan, planOf } from '../../src/sim/plan.ts';
import { shrink } from '../../src/sim/shrink.ts';
import { simulate } from '../../src/sim/simulation.ts';
import { doubt, firstShown } from './judge.ts';
import { MUTANTS } from './mutants.ts';

await installFastPaths();

const mutant = (name: string) =>
  must(
    MUTANTS.find((one) => one.name === name),
    name,
  );

/** With the seed from which on it is looked for: one that shows it soon. */
const FOUND: readonly (readonly [name: string, seed: number])[] = [
  ['boost unbounded', 1],
  ['schedule of another time', 1],
  ['set change applied early', 1],
  ['final without votes', 1],
  ['timestamp unchecked', 15],
  ['nominations counted twice', 1],
  ['report not checked', 1],
];

/** The first short plan of few nodes that shows a bug. */
const shown = (name: string, seed: number) => {
  const nodes = LEAST_NODES[mutant(name).chain ?? 'work'];
  return must(firstShown(mutant(name), { seed, tries: 20, minutes: 3, nodes }), 'a plan that shows it');
};

for (const [name, seed] of FOUND) {
  test(`${name}: found, as ${mutant(name).by.join(' or ')}, and not without it`, () => {
    assert.equal(doubt(mutant(name), shown(name, seed)), undefined);
  });
}

test('what is found as something else, or without the bug as well, is not the bug', () => {
  const [boost, schedule] = [mutant('boost unbounded'), mutant('schedule of another time')];
  const outcome = shown(schedule.name, 1);
  assert.match(doubt(boost, outcome) ?? '', /^found as difficulty, which is not boost$/);
  assert.equal(doubt(schedule, simulate(outcome.plan)), 'nothing was found');
});

test('a plan that shows a vote before it is on disk shrinks to the crashes that it takes', () => {
  const changes = mutant('vote before persist').changes;
  const showing = (plan: Plan) => simulate(plan, changes).found?.violation === 'twoVotes';
  const outcome = shown('vote before persist', 2);
  assert.equal(outcome.found?.violation, 'twoVotes');
  const small = shrink(outcome.plan, showing, 30);
  assert.ok(showing(small));
  assert.ok(small.faults.length < outcome.plan.faults.length / 2, `${small.faults.length} faults remain`);
  assert.ok(small.faults.some(({ kind }) => kind === 'crash' || kind === 'crashAt'));
});

test('shrinking keeps exactly the faults that it takes', () => {
  const plan = planOf({ seed: 5, schedule: 'mixed', nodes: 7, minutes: 10 });
  const needed = [plan.faults[3], plan.faults[plan.faults.length - 1]];
  const small = shrink(
    plan,
    ({ faults }) => needed.every((fault) => fault !== undefined && faults.includes(fault)),
    500,
  );
  assert.deepEqual(small.faults, needed);
});
