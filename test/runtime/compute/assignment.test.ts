import assert from 'node:assert/strict';
import { test } from 'node:test';
import { must } from '../../../src/base/assert.ts';
import { compare, equal } from '../../../src/base/bytes.ts';
import * as compute from '../../../src/runtime/compute-view.ts';
import {
  ComputeChain,
  eventsOf,
  FRAGMENT_CU,
  type Habits,
  type Person,
  smallJob,
  TRAINING_BLOCKS,
} from '../compute-chain.ts';

const unclaimed = (chain: ComputeChain, who: Person) =>
  chain.fragments(who).filter((fragment) => fragment.status.type === 'Assigned');
const isMinable = (chain: ComputeChain, id: Uint8Array, who: Person): boolean =>
  compute.sealFragment(chain.view, id, who.account) !== undefined;
const real = (chain: ComputeChain, who: Person) =>
  must(
    unclaimed(chain, who).find((fragment) => !fragment.overflow),
    'a real fragment',
  );

test('genesis gives every author a real fragment of the open round, and a second one to mine with', () => {
  const chain = new ComputeChain();
  for (const author of chain.authors) {
    assert.deepEqual(
      unclaimed(chain, author).map((f) => [f.overflow, f.r, f.assigned_at]),
      [
        [false, 0, 0],
        [true, 0, 0],
      ],
    );
    for (const { id } of unclaimed(chain, author)) assert.ok(isMinable(chain, id, author));
  }
  const ks = chain.authors.flatMap((author) => unclaimed(chain, author).map((f) => f.k));
  assert.deepEqual(ks.toSorted(), [0, 1, 2, 3], 'no two fragments of a round share their data');
});

test('every author holds at least two fragments to train after every block, whether or not he claims', () => {
  for (const workers of [3, 1, 0]) {
    const chain = new ComputeChain({ authors: 3 });
    const habits: Habits = { claims: (who) => chain.authors.indexOf(who) < workers };
    for (let i = 0; i < 80; i++) {
      chain.live(habits);
      for (const author of chain.authors) {
        assert.ok(unclaimed(chain, author).length >= 2, `block ${chain.number}`);
        assert.ok(unclaimed(chain, author).every(({ id }) => isMinable(chain, id, author)));
      }
    }
  }
});

test('the block that takes a claim assigns the miner his next fragment', () => {
  const chain = new ComputeChain();
  const [author] = chain.authors as [Person];
  chain.run(TRAINING_BLOCKS - 1);
  const { id } = real(chain, author);
  const block = chain.block([chain.claim(author, id)]);
  assert.deepEqual(block.outcomes, [{ applied: true, error: undefined }]);
  const [assigned] = eventsOf(block.events, 'Jobs', 'Assigned');
  assert.ok(equal(assigned?.miner as Uint8Array, author.account));
  const next = chain.fragments(author).find((f) => f.assigned_at === chain.number);
  assert.ok(next && isMinable(chain, next.id, author));
});

test('a claimed fragment wins blocks until its replacement is two blocks old', () => {
  const chain = new ComputeChain();
  const [author] = chain.authors as [Person];
  chain.run(TRAINING_BLOCKS - 1);
  const { id } = real(chain, author);
  chain.block([chain.claim(author, id)]);
  const minable = [isMinable(chain, id, author)];
  for (let i = 0; i < 3; i++) {
    chain.block([], { author, fragment: unclaimed(chain, author)[0]?.id ?? id, step: i + 1, node: 0 });
    minable.push(isMinable(chain, id, author));
  }
  assert.deepEqual(minable, [true, true, false, false]);
});

test('a fragment that runs out costs its miner a block-out, and its slot goes to another', () => {
  const chain = new ComputeChain({ jobs: [smallJob(0)], authors: 2 });
  const [idle, busy] = chain.authors as [Person, Person];
  const { id, deadline } = real(chain, idle);
  // The other one trains on, but none of what he claims is ever revealed: the round stays open.
  const habits: Habits = { claims: () => false };
  chain.run(deadline, habits, () => chain.number === deadline);
  assert.equal(chain.jobs.Fragments.get(id)?.status.type, 'Assigned', 'the deadline is the last block for a claim');
  const events = chain.run(1, habits);
  assert.equal(chain.jobs.Fragments.get(id)?.status.type, 'Expired');
  assert.equal(eventsOf(events, 'Jobs', 'Expired').length, 2 + 2, 'real and overflow, of both authors');
  const author = must(compute.authorOf(chain.view, idle.account), 'still an author');
  assert.deepEqual([author.timeouts, author.misses], [1, 1]);
  assert.equal(author.blocked_until, chain.number + chain.runtime.spec.eraBlocks);
  assert.ok(
    unclaimed(chain, idle).every((f) => f.overflow),
    'blocked out of rounds, not of mining',
  );
  assert.equal(unclaimed(chain, idle).length, 2);
  assert.equal(chain.jobs.Rounds.get(must(chain.jobs.JobIds.get()[0], 'a job'))?.outstanding, 0);
  // A newcomer to the slot: the other author, once his own block-out is over.
  const until = must(compute.authorOf(chain.view, busy.account), 'an author').blocked_until;
  chain.run(until, habits, () => chain.number >= until);
  const spare = must(unclaimed(chain, busy)[0], 'an overflow fragment');
  const block = chain.block([chain.claim(busy, spare.id)]);
  const [assigned] = eventsOf(block.events, 'Jobs', 'Assigned');
  assert.equal(chain.jobs.Fragments.get(assigned?.fragment as Uint8Array)?.overflow, false);
});

test('each missed deadline blocks out for twice as long as the one before', () => {
  const chain = new ComputeChain({ jobs: [smallJob(0)], authors: 1, spec: { eraBlocks: 2 } }, false);
  const [author] = chain.authors as [Person];
  const eras: number[] = [];
  while (eras.length < 4 && chain.number < 400) {
    const before = must(compute.authorOf(chain.view, author.account), 'an author').misses;
    // What he claims he never reveals: once it is claimed, overflow work counts too.
    const [spare] = unclaimed(chain, author);
    chain.block(spare && chain.number % 30 === 0 ? [chain.claim(author, spare.id)] : []);
    const { misses, blocked_until } = must(compute.authorOf(chain.view, author.account), 'an author');
    if (misses > before) eras.push((blocked_until - chain.number) / 2);
  }
  assert.deepEqual(eras, [1, 2, 4, 8]);
});

test('an overflow fragment that nobody began costs no timeout and is soon forgotten', () => {
  const chain = new ComputeChain({ authors: 1 });
  const [author] = chain.authors as [Person];
  const spare = must(
    unclaimed(chain, author).find((f) => f.overflow),
    'an overflow fragment',
  );
  chain.run(spare.deadline + 1);
  assert.equal(chain.jobs.Fragments.get(spare.id)?.status.type, 'Expired');
  assert.equal(compute.authorOf(chain.view, author.account)?.timeouts, 0);
  chain.run(4);
  assert.equal(chain.jobs.Fragments.get(spare.id), undefined);
});

test('a new round goes first to whoever has shown the most work, among equals by account', () => {
  const jobs = [smallJob(0, { fragments_per_round: 1 }), smallJob(1, { fragments_per_round: 1, stagger: 30 })];
  const chain = new ComputeChain({ authors: 3, jobs });
  const [first, second, third] = chain.authors.toSorted((a, b) => compare(a.account, b.account)) as [
    Person,
    Person,
    Person,
  ];
  const hasReal = (who: Person): boolean => unclaimed(chain, who).some((f) => !f.overflow);
  assert.deepEqual([first, second, third].map(hasReal), [true, false, false]);
  // The third trains overflow work as if it had four machines: more than the capacity that genesis gives everyone.
  const habits: Habits = { claims: () => false, merges: false };
  for (let i = 0; i < 4; i++) {
    const next = must(unclaimed(chain, third)[0], 'a fragment');
    chain.block([...chain.work(habits), chain.claim(third, next.id)]);
  }
  chain.run(25, habits);
  assert.ok(must(compute.authorOf(chain.view, third.account), 'an author').capacity > 2n * FRAGMENT_CU);
  assert.deepEqual([second, third].map(hasReal), [false, false]);
  chain.run(1, habits);
  assert.deepEqual([second, third].map(hasReal), [false, true]);
});

test('nobody has more than eight claims that wait for a verdict, so garbage cannot be claimed without end', () => {
  const chain = new ComputeChain();
  const [author] = chain.authors as [Person];
  const taken: boolean[] = [];
  for (let i = 0; i < 10; i++) {
    const [next] = unclaimed(chain, author);
    const { outcomes } = chain.block([chain.claim(author, must(next, 'a fragment to claim').id)], chain.nextWinner());
    taken.push(outcomes[0]?.applied === true);
    if (i === 8) {
      assert.deepEqual(outcomes[0], {
        applied: false,
        error: { type: 'Invalid', value: { type: 'Future' } },
        kind: 'future',
      });
    }
  }
  assert.equal(taken.filter(Boolean).length, 8);
  assert.ok(unclaimed(chain, author).length >= 2, 'and he can mine all the same');
});
