/** # Standstill: while finality stands still no fragment runs out of time and none is drawn from; then all goes on (rule F). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { must } from '../../../src/base/assert.ts';
import { type Bytes, toHex } from '../../../src/base/bytes.ts';
import { u32 } from '../../../src/codec/index.ts';
import { ActiveEraInfo } from '../../../src/runtime/pallets/staking/types.ts';
import { StakingDeclared } from '../../../src/runtime/pallets/staking.ts';
import { storageKey } from '../../../src/runtime/storage.ts';
import { ComputeChain, eventsOf, type Habits, type Person, TRAINING_BLOCKS } from '../compute-chain.ts';

/** Nobody trains, claims or reveals by himself. */
const IDLE: Habits = { claims: () => false, reveals: false };

/** As if in era 9 the last votes had been shown in this one. */
function heardLast(chain: ComputeChain, era: number): void {
  const { LastHeard, ActiveEra } = StakingDeclared.storage;
  chain.plant(storageKey(ActiveEra), ActiveEraInfo.enc({ index: 9, start: undefined }));
  chain.plant(storageKey(LastHeard), u32.enc(era));
}

/** A chain in which the first author has trained his first fragment, and claims it where asked. */
function trained(claims: boolean) {
  const chain = new ComputeChain();
  const [author] = chain.authors as [Person];
  chain.run(TRAINING_BLOCKS - 1, IDLE);
  const { id } = must(
    chain.fragments(author).find((f) => f.status.type === 'Assigned' && !f.overflow),
    'a real fragment',
  );
  if (claims) chain.block([chain.claim(author, id)]);
  return { chain, author, id, fragment: () => must(chain.jobs.Fragments.get(id), 'it is kept') };
}

test('a claim is not drawn from while finality stands still, and then from a beacon that nobody knew meanwhile', () => {
  const { chain, fragment } = trained(true);
  heardLast(chain, 7);
  const { at } = must(fragment().claim, 'a claim');
  chain.run(60, IDLE);
  assert.equal(fragment().status.type, 'Claimed');
  const held = must(fragment().claim, 'a claim').at;
  assert.ok(held > at + 40, `claimed at ${at}, drawn from ${held} on`);
  heardLast(chain, 9);
  chain.run(8, IDLE);
  assert.equal(fragment().status.type, 'Drawn');
});

test('what was drawn is revealed in its 20 blocks once finality goes on, and not expired before', () => {
  const { chain, author, fragment, id } = trained(true);
  chain.run(6, IDLE);
  assert.equal(fragment().status.type, 'Drawn');
  heardLast(chain, 7);
  const events = chain.run(80, IDLE);
  assert.equal(fragment().status.type, 'Drawn');
  assert.deepEqual(eventsOf(events, 'Jobs', 'Expired'), []);
  heardLast(chain, 8);
  chain.run(fragment().reveal_by - chain.number, IDLE);
  assert.equal(fragment().status.type, 'Drawn', 'in the last era votes enough were shown');
  chain.run(1, IDLE);
  assert.equal(fragment().status.type, 'Expired');
  assert.ok(chain.fragments(author).some((one) => one.id !== id && one.status.type === 'Assigned'));
});

test('a fragment that is trained does not run out of time, and can be claimed for 20 blocks afterwards', () => {
  const { chain, author, fragment, id } = trained(false);
  heardLast(chain, 7);
  const { deadline } = fragment();
  const events = chain.run(deadline - chain.number + 100, IDLE);
  assert.deepEqual(eventsOf(events, 'Jobs', 'Expired'), []);
  assert.ok(fragment().deadline > deadline);
  heardLast(chain, 9);
  const [outcome] = chain.block([chain.claim(author, id)]).outcomes;
  assert.ok(outcome?.applied);
  const other = must(
    chain.fragments(author).find((one) => one.id !== id && one.status.type === 'Assigned'),
    'another',
  );
  const ended = eventsOf(chain.run(221, IDLE), 'Jobs', 'Expired');
  assert.ok(ended.some((event) => toHex(event.fragment as Bytes) === toHex(other.id)));
});

test('where no votes are shown nothing is held', () => {
  const { chain, fragment } = trained(true);
  const { ActiveEra } = StakingDeclared.storage;
  chain.plant(storageKey(ActiveEra), ActiveEraInfo.enc({ index: 9, start: undefined }));
  chain.run(6, IDLE);
  assert.equal(fragment().status.type, 'Drawn');
});
