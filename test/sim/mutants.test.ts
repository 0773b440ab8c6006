/** # Planted bugs: the watch names them; the long form, `npm run sim -- --mutants`, tries all of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { must } from '../../src/base/assert.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { type Plan, planOf } from '../../src/sim/plan.ts';
import { shrink } from '../../src/sim/shrink.ts';
import { simulate } from '../../src/sim/simulation.ts';
import type { FaultName } from '../../src/sim/watch.ts';
import { firstFault } from './judge.ts';
import { MUTANTS } from './mutants.ts';

await installFastPaths();

const mutant = (name: string) =>
  must(
    MUTANTS.find((one) => one.name === name),
    name,
  );

const FOUND: readonly (readonly [name: string, by: FaultName])[] = [
  ['boost unbounded', 'boost'],
  ['stake counted twice', 'set'],
  ['set change applied early', 'set'],
  ['final without votes', 'unproven'],
  ['timestamp unchecked', 'future'],
];

for (const [name, by] of FOUND) {
  test(`${name}: found, as ${by}`, () => {
    const outcome = must(firstFault(mutant(name), 1, 20, 4), 'a plan that shows it');
    assert.equal(outcome.found?.fault, by);
    // The same plan without the bug is well: it is the bug that was found.
    assert.equal(simulate(outcome.plan).found, undefined);
  });
}

test('a plan that shows a vote before it is on disk shrinks to the crashes that it takes', () => {
  const changes = mutant('vote before persist').changes;
  const showing = (plan: Plan) => simulate(plan, changes).found?.fault === 'twoVotes';
  const outcome = must(firstFault(mutant('vote before persist'), 1, 20, 4), 'a plan that shows it');
  assert.equal(outcome.found?.fault, 'twoVotes');
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
